#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Requests, each of which is timed, and a server that sends them back.
#
#	requests.pl serve TCP_PORT UDP_PORT	at 0.0.0.0, until it is killed
#	requests.pl ask ADDR TCP_PORT UDP_PORT	does what a line of stdin says, and answers with one:
#		open N		N connections more, which stay, each with a request
#		ask N		N requests on the connections that are open, in turn
#		new N		N connections, with a request each
#		udp N		N datagrams of the client that is there, if it is, and of N new ones
#
# The answer is "ok N p50 p99 max", in microseconds, or "no answer" when there is none in PATIENCE
# times 5 s. A UDP client asks again each second, as all of them do.
use strict;
use warnings;
use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($what, @rest) = @ARGV;
my $patience = 5 * ($ENV{PATIENCE} // 1);

sub serve {
	my ($tcp_port, $udp_port) = @rest;
	my $listener = IO::Socket::INET->new(LocalPort => $tcp_port, Listen => 1024, ReuseAddr => 1)
		or die "tcp $tcp_port: $@";
	my $udp = IO::Socket::INET->new(LocalPort => $udp_port, Proto => 'udp')
		or die "udp $udp_port: $@";
	my $all = IO::Select->new($listener, $udp);

	while (my @ready = $all->can_read) {
		for my $s (@ready) {
			if ($s == $listener) {
				my $c = $listener->accept or next;
				setsockopt $c, IPPROTO_TCP, TCP_NODELAY, 1;
				$all->add($c);
			} elsif ($s == $udp) {
				my $from = recv $udp, my $data, 2048, 0;
				send $udp, $data, 0, $from if defined $from;
			} elsif (sysread $s, my $data, 2048) {
				syswrite $s, $data;
			} else {
				$all->remove($s);
				close $s;
			}
		}
	}
}

my ($addr, $tcp_port, $udp_port) = @rest;
my (@open, $udp, @times, $n);

sub now { return clock_gettime(CLOCK_MONOTONIC) * 1e6 }

# Is the answer there?
sub answered {
	my ($s, $is_udp) = @_;
	my $text = sprintf 'request %08d', ++$n;
	my $tries = $is_udp ? $patience : 1;

	for (1 .. $tries) {
		syswrite $s, $text or return 0;
		my $got = '';
		while ($got ne $text) {
			IO::Select->new($s)->can_read($is_udp ? 1 : $patience) or last;
			sysread $s, $got, 2048, $is_udp ? 0 : length $got or return 0;
		}
		return 1 if $got eq $text;
	}
	return 0;
}

sub timed {
	my ($do) = @_;
	my $from = now();

	return 0 unless $do->();
	push @times, now() - $from;
	return 1;
}

sub new_connection {
	my $s = IO::Socket::INET->new(PeerAddr => $addr, PeerPort => $tcp_port, Timeout => $patience)
		or return;
	setsockopt $s, IPPROTO_TCP, TCP_NODELAY, 1;
	return answered($s) ? $s : undef;
}

sub new_client {
	return IO::Socket::INET->new(PeerAddr => $addr, PeerPort => $udp_port, Proto => 'udp');
}

my %do = (
	open => sub { my $s = new_connection(); push @open, $s if $s; return $s },
	ask => sub { push @open, shift @open; return answered($open[0]) },
	new => sub { return new_connection() },
	udp => sub {
		$udp //= new_client();
		return answered($udp, 1) && answered(new_client(), 1);
	},
);

sub ask {
	STDOUT->autoflush(1);
	$SIG{PIPE} = 'IGNORE';
	while (my $line = <STDIN>) {
		my ($word, $count) = split ' ', $line;
		my $ok = 1;

		@times = ();
		for (1 .. $count) {
			$ok &&= timed($do{$word});
		}
		my @sorted = sort { $a <=> $b } @times;
		print $ok ? sprintf("ok %d %.0f %.0f %.0f\n", scalar @sorted, $sorted[@sorted / 2],
			$sorted[@sorted * 0.99], $sorted[-1]) : "no answer\n";
	}
}

$what eq 'serve' ? serve() : ask();
