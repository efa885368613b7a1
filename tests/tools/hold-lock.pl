#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# hold-lock.pl READY - has a TCP socket of this network namespace locked until it is killed: its
# recvfrom(2) waits for a page of the buffer, which a userfaultfd never brings. READY is made just
# before that. x86-64.
use strict;
use warnings;
use Socket;

syscall(157, 1, 9); # prctl: SIGKILL when the test ends, however it does
socket(my $listener, AF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
bind($listener, sockaddr_in(0, INADDR_LOOPBACK)) or die "bind: $!\n";
listen($listener, 1) or die "listen: $!\n";
socket(my $receiver, AF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
connect($receiver, getsockname($listener)) or die "connect: $!\n";
accept(my $sender, $listener) or die "accept: $!\n";
syswrite($sender, 'x') or die "write: $!\n";

my $page = syscall(9, 0, 4096, 3, 0x22, -1, 0); # mmap: read and write, private, anonymous
my $fd = syscall(323, 0);                       # userfaultfd
$page > 0 && $fd >= 0 or die "userfaultfd: $!\n";
open(my $faults, '+<&=', $fd) or die "userfaultfd: $!\n";
my $api = pack('Q3', 0xaa, 0, 0);
ioctl($faults, 0xc018aa3f, $api) or die "UFFDIO_API: $!\n";
my $range = pack('Q4', $page, 4096, 1, 0); # pages that are missing
ioctl($faults, 0xc020aa00, $range) or die "UFFDIO_REGISTER: $!\n";
open(my $made, '>', $ARGV[0]) or die "$ARGV[0]: $!\n";
close $made;
syscall(45, fileno($receiver), $page, 1, 0, 0, 0); # recvfrom
