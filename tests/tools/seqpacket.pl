#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# seqpacket.pl PATH [TEXT]...   a client of podman's reload socket, for the tests
#
# For each TEXT a connection of its own: sends it as one message and prints what comes back,
# in a line. However long PATH is. "@shut" sends nothing and shuts its side down; "@silent"
# leaves the connection open, says nothing, and reads at the end what became of it.
use strict;
use warnings;
use Socket;

$SIG{PIPE} = 'IGNORE';
$SIG{ALRM} = sub { die "no reply\n" };
alarm 30;
my $path = shift;
if ($path =~ m{^(.*)/([^/]+)$}s) {
	chdir $1 or die "$1: $!\n";
	$path = $2;
}

sub reply {
	my $text = '';
	while (1) {
		my $n = sysread $_[0], my $part, 65536;
		return "($!)" unless defined $n;
		return $text unless $n;
		$text .= $part;
	}
}

my @silent;
for my $text (@ARGV) {
	socket my $s, AF_UNIX, SOCK_SEQPACKET, 0 or die "socket: $!\n";
	connect $s, sockaddr_un($path) or die "connect: $!\n";
	if ($text eq '@silent') {
		push @silent, $s;
		next;
	}
	if ($text eq '@shut') {
		shutdown $s, 1;
	} else {
		syswrite $s, $text;
	}
	print reply($s), "\n";
}
print "silent: ", reply($_), "\n" for @silent;
