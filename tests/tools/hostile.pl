#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Speaks in the name of one of portshunt's processes, whose socket it takes by pidfd_getfd(2):
#
#	hostile.pl walkers N		as process 1, the init, to the forwarder: walkers that nobody
#					asked for, each with a descriptor
#	hostile.pl captures N		the same with captures, which have none
#	hostile.pl rules PID N		as the forwarder PID, which must be stopped, to the supervisor:
#					the reply to its next request has N rules
#	hostile.pl rule PID ID HOST_PORT CONTAINER_PORT REMOVED
#					the same with one rule: TCP, of all addresses, with the
#					limits that rules have by default
#	hostile.pl pages PID		the same, and a full page for each request that follows
#	hostile.pl silent PID		takes the next request, and gives no reply
#
# It prints how many messages it has sent.
use strict;
use warnings;
use Config;
use Socket;

use constant { PIDFD_OPEN => 434, PIDFD_GETFD => 438 };
my $sendmsg = { x86_64 => 46, aarch64 => 211 }->{(split /-/, $Config{archname})[0]}
	// die "the number of sendmsg(2) is not known here\n";

# pid, n - the n-th descriptor that its command line names: "portshunt @init 5 7"
sub take {
	my ($pid, $n) = @_;
	open my $f, '<', "/proc/$pid/cmdline" or die "process $pid: $!\n";
	my @args = split /\0/, <$f>;
	my $pidfd = syscall(PIDFD_OPEN, $pid + 0, 0);
	my $fd = syscall(PIDFD_GETFD, $pidfd, $args[1 + $n] + 0, 0);
	die "pidfd_getfd: $!\n" if $pidfd < 0 || $fd < 0;
	open my $s, '+<&=', $fd or die "$fd: $!\n";
	return $s;
}

# One that an event loop takes, and that has something to read.
socketpair my $near, my $far, AF_UNIX, SOCK_SEQPACKET, 0 or die "socketpair: $!\n";
send $far, "\0" x 4, 0 for 1 .. 50;

# socket, data - a message with a copy of $near. Returns whether it was sent.
sub send_with_fd {
	my ($s, $data) = @_;
	my $cmsg = pack 'Q l l l x4', 20, SOL_SOCKET, 1, fileno $near;
	my $iov = pack 'P Q', $data, length $data;
	my $msg = pack 'Q L x4 P Q P Q l x4', 0, 0, $iov, 1, $cmsg, length $cmsg, 0;

	return syscall($sendmsg, fileno $s, $msg, 0) >= 0;
}

sub flood {
	my ($type, $result, $n) = @_;
	my $s = take(1, 2);
	my $sent = 0;

	# struct connector_reply
	$sent++ while $sent < $n && send_with_fd($s, pack 'C4 l Q', $type, 0, 0, 0, $result, 1);
	return $sent;
}

# socket, number - a struct forwarder_reply with that number of rules, all of them zeroes.
sub answer {
	my ($s, $n) = @_;

	return unless defined recv $s, my $request, 65536, 0;
	return unless length $request;
	my $serial = unpack 'x4 L', $request;
	return defined send $s, pack('l L L x6844', 0, $serial, $n), 0;
}

# socket, id, host port, container port, removed - a struct forwarder_reply with this rule.
sub answer_rule {
	my ($s, $id, $host, $container, $removed) = @_;
	my $off = 0xffffffff;
	my $rule = pack 'L L C C x2 x24 x16 S S L L x8 x72 L5', $id, 0, $removed, 2, $host, $container,
		1, 1, $off, $off, 1024, $off, $off;

	return unless defined recv $s, my $request, 65536, 0;
	my $serial = unpack 'x4 L', $request;
	my $reply = pack 'l L L C x3 x24 x24 x72 L5 x44', 0, $serial, 1, 2, $off, $off, $off,
		16384, $off;
	return defined send $s, pack('a6856', $reply . $rule), 0;
}

sub pages {
	my ($s) = @_;
	my $sent = 0;

	$sent++ while answer($s, 32);
	return $sent;
}

sub silent {
	my ($s) = @_;

	recv $s, my $request, 65536, 0;
	return 0;
}

$SIG{PIPE} = 'IGNORE';
my ($what, @rest) = @ARGV;
my $sent = $what eq 'walkers' ? flood(3, 0, $rest[0]) :
	$what eq 'captures' ? flood(2, 1, $rest[0]) :
	$what eq 'rules' ? answer(take($rest[0], 1), $rest[1]) :
	$what eq 'rule' ? answer_rule(take($rest[0], 1), @rest[1 .. 4]) :
	$what eq 'pages' ? pages(take($rest[0], 1)) :
	$what eq 'silent' ? silent(take($rest[0], 1)) : die "what?\n";
print "$sent\n";
