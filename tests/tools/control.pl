#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A client of the control socket that is no friend, or in no hurry:
#
#	control.pl ask SOCKET LINE...		one connection; a reply is read after each line
#	control.pl raw SOCKET TEXT		TEXT without a line's end, then shutdown; all replies
#	control.pl half SOCKET TEXT		the same, and no shutdown
#	control.pl flood SOCKET BYTES		one line that never ends
#	control.pl deaf SOCKET REQUESTS		asks and does not read; tells when it is dropped
#	control.pl crowd SOCKET N		N connections at once, one request each
#	control.pl idle SOCKET N		N connections that say nothing, until stdin ends
#	control.pl churn SOCKET N SPEC		N times: add SPEC, remove it by its id
use strict;
use warnings;
use IO::Socket::UNIX;
use Socket qw(SHUT_WR);

my $list = qq({"execute":"list"}\n);

$SIG{PIPE} = 'IGNORE';
$| = 1;
my ($what, $path, @rest) = @ARGV;

sub client {
	return IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path) // die "$path: $!\n";
}

# What comes until the other side closes.
sub print_rest {
	my ($s) = @_;

	while (my $line = <$s>) {
		print $line;
	}
}

# all of the text, as far as it is taken; returns how much that was
sub put {
	my ($s, $text) = @_;
	my $sent = 0;

	while ($sent < length $text) {
		my $n = syswrite $s, $text, length($text) - $sent, $sent;
		last if !defined $n;
		$sent += $n;
	}
	return $sent;
}

sub ask {
	my ($s, $line) = @_;

	put($s, "$line\n");
	return scalar(readline $s) // die "no reply to $line\n";
}

sub flood {
	my $s = client();
	my $chunk = 'x' x (1 << 20);
	my ($left, $n) = ($rest[0], 0);

	while ($left > 0) {
		$n = put($s, substr $chunk, 0, $left < length $chunk ? $left : length $chunk);
		$left -= $n;
		last if $n < length $chunk;
	}
	print_rest($s);
	print "taken: ", $rest[0] - $left, "\n";
}

# Its requests pile up in the kernel, its replies do too; in the end it is cut off.
sub deaf {
	my $s = client();

	# the write blocks once both queues are full, and fails when it is cut off
	print put($s, $list x $rest[0]) < $rest[0] * length $list ? "dropped\n" : "all taken\n";
}

sub crowd {
	my @all = map { client() } 1 .. $rest[0];

	put($_, $list) for @all;
	for (@all) {
		my $line = readline $_;
		die "one of $rest[0] got no reply\n" if !defined $line;
		die $line if $line !~ /^\{"return":/;
		close $_;
	}
	print "all answered\n";
}

sub idle {
	my @all = map { client() } 1 .. $rest[0];

	print "connected\n";
	readline STDIN;
}

sub churn {
	my $s = client();

	for (1 .. $rest[0]) {
		my $reply = ask($s, qq({"execute":"add","arguments":{"spec":"$rest[1]"}}));
		my ($id) = $reply =~ /^\{"return":\{"rules":\[\{"id":(\d+),/ or die "add: $reply";

		$reply = ask($s, qq({"execute":"remove","arguments":{"id":$id}}));
		die "remove: $reply" if $reply !~ /^\{"return":/;
	}
	print "done\n";
}

if ($what eq 'ask') {
	my $s = client();
	print ask($s, $_) for @rest;
} elsif ($what eq 'raw' || $what eq 'half') {
	my $s = client();
	put($s, $rest[0]);
	shutdown $s, SHUT_WR if $what eq 'raw';
	print_rest($s);
} else {
	my $do = { flood => \&flood, deaf => \&deaf, crowd => \&crowd, idle => \&idle,
		churn => \&churn }->{$what} // die "what is $what?\n";
	$do->();
}
