#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# late.pl NETNS PORT READY - a server in that namespace, whose queue holds one connection and is
# not accepted on before a line comes on stdin: whoever else comes gets no answer to its SYN.
# From then on it sends back what comes, until stdin ends. READY is made once it listens.
use strict;
use warnings;
use IO::Select;
use Socket;

my ($netns, $port, $ready) = @ARGV;
open(my $ns, '<', $netns) or die "$netns: $!\n";
syscall(308, fileno($ns), 0) == 0 or die "setns: $!\n";
socket(my $listener, AF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
setsockopt($listener, SOL_SOCKET, SO_REUSEADDR, 1);
bind($listener, sockaddr_in($port, INADDR_ANY)) or die "bind: $!\n";
listen($listener, 0) or die "listen: $!\n";
open(my $made, '>', $ready) or die "$ready: $!\n";
close $made;

defined(sysread(STDIN, my $line, 64)) or die "stdin: $!\n";
listen($listener, 1024);
my $select = IO::Select->new($listener, \*STDIN);
while (1) {
	for my $s ($select->can_read) {
		if ($s == $listener) {
			my $client;
			$select->add($client) if accept($client, $listener);
			next;
		}
		my $n = sysread($s, my $text, 4096);
		exit 0 if $s == \*STDIN && !$n;
		if ($n) {
			syswrite($s, $text);
		} else {
			$select->remove($s);
			close $s;
		}
	}
}
