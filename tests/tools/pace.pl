#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Measures a bulk transfer as its client sees it: the rate, and the longest pause between
# bytes that arrive. Prints "RATE PAUSE": MB/s, and milliseconds or "-".
#
#	pace.pl fetch SECONDS BYTES HOST PORT PATH
#		GETs PATH from an HTTP server, over a new connection each time, until SECONDS
#		have passed. Each answer must have at least BYTES.
#	pace.pl read SECONDS BYTES COMMAND...
#		the same with a command that prints what it receives
#	pace.pl time SECONDS BYTES COMMAND...
#		the same with a command that sends, or stores, BYTES itself: there are no pauses
#
# Exits with 1, and says why on stderr, if an answer is short or a command fails.
use strict;
use warnings;
use Fcntl;
use IO::Socket::INET;
use Time::HiRes 'time';

my $piece = 1 << 18;
my ($mode, $seconds, $size, @what) = @ARGV;
my ($pause, $bytes) = (0, 0);

die "usage: see the head of $0\n" unless @what && $mode =~ /^(fetch|read|time)$/;

# drain FILE, LAST - read it to its end; LAST is when waiting for its first byte began, or 0
# if that is no pause. Returns how many bytes there were, and the first of them.
sub drain {
	my ($file, $last) = @_;
	my ($got, $head, $buffer, $now, $n) = (0, '');

	while ($n = sysread($file, $buffer, $piece)) {
		$now = time;
		$pause = $now - $last if $last && $now - $last > $pause;
		$last = $now;
		$head = substr($buffer, 0, 1024) unless $got;
		$got += $n;
	}
	die "read after $got bytes: $!\n" unless defined $n;
	$now = time;
	$pause = $now - $last if $last && $now - $last > $pause;
	return ($got, $head);
}

sub fetch {
	my ($host, $port, $path) = @what;
	my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Proto => 'tcp')
		or die "connect to $host:$port: $@\n";
	my $began = time;

	syswrite($socket, "GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		or die "write: $!\n";
	my ($got, $head) = drain($socket, $began);
	$head =~ /^HTTP\/1\.[01] 200/ or die "GET $path: ", $head =~ /^(.*)/, "\n";
	die "GET $path: $got bytes, not $size\n" if $got < $size;
	$bytes += $got;
}

sub run {
	my $pid = open(my $from, '-|') // die "fork: $!\n";

	if (!$pid) {
		open(STDOUT, '>', '/dev/null') if $mode eq 'time';
		exec @what or die "$what[0]: $!\n";
	}
	fcntl($from, 1031, 1 << 20); # F_SETPIPE_SZ, which Perl has no name for
	my ($got) = drain($from, 0);
	close($from) or die "$what[0]: failed", $? >> 8 ? " with " . ($? >> 8) : '', "\n";
	die "$what[0]: $got bytes, not $size\n" if $mode eq 'read' && $got < $size;
	$bytes += $mode eq 'read' ? $got : $size;
}

my $began = time;
do { $mode eq 'fetch' ? fetch() : run() } while time - $began < $seconds;
printf "%.3f %s\n", $bytes / (time - $began) / 1e6,
	$mode eq 'time' ? '-' : sprintf '%.1f', $pause * 1000;
