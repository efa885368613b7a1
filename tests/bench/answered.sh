#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# answered.sh ADDR PORT - connects, again and again, until a byte sent there comes back.
# Says "trying" at first, and then the time at which it came, as EPOCHREALTIME has it.

exec {silence}<> <(:)
echo trying
until { exec 9<>"/dev/tcp/$1/$2"; } 2>/dev/null && printf p >&9 && read -r -t 1 -N 1 _ <&9; do
	read -r -t 0.001 <&"$silence"
done
echo "$EPOCHREALTIME"
