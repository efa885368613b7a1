#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A user at a terminal: run a command on a new pseudo-terminal, wait for what it prints
# and type.
#
#     pty.pl CMD ARG... <STEPS
#
# Each line of STEPS is "expect REGEX", for which the output after the last match is
# searched, or "type TEXT" with \n, \003 and the like. Prints all that was on the screen;
# ends with CMD's exit status as a shell has it, or with 99 when a step is not met within 10 s.
use strict;
use warnings;
use Fcntl;
use POSIX ();

use constant { TIOCSCTTY => 0x540e, TIOCSPTLCK => 0x40045431, TIOCGPTN => 0x80045430 };

my @cmd = @ARGV;
my @steps = <STDIN>;
chomp @steps;

sysopen my $master, '/dev/ptmx', O_RDWR | O_NOCTTY or die "/dev/ptmx: $!";
my $number = pack 'i', 0;
ioctl $master, TIOCSPTLCK, $number or die "unlock: $!";
ioctl $master, TIOCGPTN, $number or die "number: $!";
my $name = '/dev/pts/' . unpack 'i', $number;

my $pid = fork // die "fork: $!";
if (!$pid) {
	close $master;
	POSIX::setsid();
	sysopen my $tty, $name, O_RDWR or die "$name: $!";
	ioctl $tty, TIOCSCTTY, 0;
	POSIX::dup2(fileno $tty, $_) for 0 .. 2;
	close $tty if fileno $tty > 2;
	$ENV{TERM} = "dumb";
	exec @cmd or die "$cmd[0]: $!";
}

my ($screen, $seen, $ended) = ('', 0, 0);

# Reads once what is there within $timeout; false at the end.
sub look {
	my ($timeout) = @_;
	my $ready = '';

	vec($ready, fileno $master, 1) = 1;
	return 1 unless select $ready, undef, undef, $timeout;
	# EIO: the last one has closed the terminal
	$ended = 1 unless sysread $master, $screen, 4096, length $screen;
	return !$ended;
}

sub expect {
	my ($regex) = @_;
	my $end = time + 10;

	until (substr($screen, $seen) =~ /$regex/) {
		next if !$ended && time < $end && (look(1) || 1);
		print $screen, $ended ? "\n(the end" : "\n(10 s", " without /$regex/)\n";
		kill KILL => $pid;
		exit 99;
	}
	substr($screen, $seen) =~ /$regex/;
	$seen += $+[0];
}

for (@steps) {
	my ($what, $text) = split / /, $_, 2;
	if ($what eq 'expect') {
		expect($text);
	} else {
		$text =~ s/\\n/\n/g;
		$text =~ s/\\(\d{3})/chr oct $1/ge;
		syswrite $master, $text;
	}
}
my $end = time + 10;
1 while time < $end && look(1);
kill KILL => $pid unless $ended;
waitpid $pid, 0;
print $screen;
exit($? & 127 ? 128 + ($? & 127) : $? >> 8);
