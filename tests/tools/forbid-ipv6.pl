#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# forbid-ipv6.pl COMMAND [ARG...] - COMMAND where socket(AF_INET6, …) fails with EAFNOSUPPORT, by
# seccomp(2), as under systemd's RestrictAddressFamilies= without AF_INET6. lo keeps its ::1.
use strict;
use warnings;
use POSIX ();

my %prctl = (x86_64 => 157, aarch64 => 167, riscv64 => 167);
my %socket = (x86_64 => 41, aarch64 => 198, riscv64 => 198);
my $machine = (POSIX::uname())[4];
my $call = $prctl{$machine} // die "forbid-ipv6.pl: no numbers for $machine\n";

# struct sock_filter: code, jt, jf, k; the data is struct seccomp_data
my @program = (
	[0x20, 0, 0, 0],                          # A = nr
	[0x15, 0, 3, $socket{$machine}],          # socket(2)?
	[0x20, 0, 0, 16],                         # A = args[0], its lower half
	[0x15, 0, 1, 10],                         # AF_INET6?
	[0x06, 0, 0, 0x00050000 | 97],            # SECCOMP_RET_ERRNO, EAFNOSUPPORT
	[0x06, 0, 0, 0x7fff0000],                 # SECCOMP_RET_ALLOW
);
my $filter = join '', map { pack 'S C C L', @$_ } @program;
my $prog = pack 'S x![P] P', scalar @program, $filter;

syscall($call, 38, 1, 0, 0, 0) == 0 or die "PR_SET_NO_NEW_PRIVS: $!\n";
syscall($call, 22, 2, $prog, 0, 0) == 0 or die "PR_SET_SECCOMP: $!\n";
exec @ARGV or die "$ARGV[0]: $!\n";
