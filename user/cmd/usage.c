/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/usage.h"

#include <stdio.h>

static const char usage_run[] =
	"Usage: portshunt run [OPTIONS] [-p SPEC]... [--] COMMAND [ARG...]\n"
	"Run COMMAND in a network of its own (slirp4netns) and publish its ports.\n\n"
	"      --control-from-command  COMMAND may use the socket of --control\n";

static const char usage_attach[] =
	"Usage: portshunt attach [OPTIONS] (--netns PATH | --pid PID) [-p SPEC]...\n"
	"Publish ports of a network namespace that exists.\n\n"
	"      --netns PATH         the network namespace, e.g. /run/netns/NAME\n"
	"      --pid PID            the one of this process; ends when it ends\n"
	"      --take-over PATH     take the ports over from the portshunt that has this\n"
	"                           control socket: without a gap; its connections go on\n"
	"      --drain-timeout SECONDS       but so long at most (60; 0: not at all)\n";

static const char usage_common[] =
	"  -p, --publish SPEC       [[HOST_ADDR:][HOST_PORT[-END]]:]PORT[-END][/PROTO];\n"
	"                           a lone number is the container's port, on a free\n"
	"                           port of the host; IPv6 in brackets; PROTO is tcp\n"
	"                           (default), udp or tcp,udp; %INTERFACE after the\n"
	"                           address or in its place: through that one only\n"
	"      --freebind           the addresses of -p may come later\n"
	"      --network NETWORK    slirp4netns[:KEY=VALUE,...] or none\n"
	"      --slirp4netns PATH   the slirp4netns program\n"
	"      --no-pivot-root      run slirp4netns without its sandbox\n"
	"      --tmpdir DIR         for sockets and logs\n"
	"      --id ID              the container's id in their names\n"
	"      --datapath PATH      auto, shunt, sockmap or splice\n"
	"                           (environment: PORTSHUNT_DATAPATH)\n"
	"      --child-ip ADDR      where in the container to connect; once a family\n"
	"      --control PATH       a socket for add, remove, list, stats and reload\n"
	"      --udp-timeout SECONDS         end a UDP session that is idle for so long\n"
	"                           and has had no reply (30)\n"
	"      --udp-timeout-stream SECONDS  the same once it has had one (180)\n"
	"      --udp-sessions N     UDP sessions at a time (16384)\n"
	"      --limit NAME=N,...   of all rules together: connections, connect-rate,\n"
	"                           half-open, udp-sessions\n"
	"                           (environment: PORTSHUNT_LIMIT)\n"
	"      --rule-limit NAME=N,...  of each rule, and idle-timeout in seconds\n"
	"                           (environment: PORTSHUNT_RULE_LIMIT)\n"
	"      --rule-datapath NAME  the datapath of each -p that follows\n"
	"      --ready-fd N         write \"1\" here when every port is open\n"
	"      --exit-fd N          end when this is at end of file\n"
	"      --log-level LEVEL    error, warn, info or debug\n"
	"      --log-json           log JSON objects\n"
	"  -h, --help\n"
	"      --version\n";

void usage_print(bool attach)
{
	printf("%s%s", attach ? usage_attach : usage_run, usage_common);
}
