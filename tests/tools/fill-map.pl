#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# fill-map.pl MAP_ID VALUE [PORT] - puts entries with keys that nobody has (8 bytes) into a BPF
# map until it is full, and says how many. VALUE is pack's letter of its values: L, or Q with
# PORT, when each is a socket that is connected there. A line on stdin takes all of them out
# again, another one ends it.
use strict;
use warnings;
use Errno qw(E2BIG);
use Socket;

my ($bpf, $update, $delete, $by_id) = (321, 2, 3, 14);
my ($id, $letter, $port) = @ARGV;
my $value = pack($letter, 0x7fffffff);

$| = 1;
if ($port) {
	socket(our $s, AF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
	connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!\n";
	$value = pack($letter, fileno($s));
}

my $attr = pack('L x124', $id);
my $map = syscall($bpf, $by_id, $attr, length $attr);
die "map $id: $!\n" if $map < 0;

# Returns false when the map is full.
sub entry {
	my ($what, $n) = @_;
	my $key = pack('LL', $n, 0xf0000000);
	my $attr = $what == $update ? pack('L x4 P P Q x96', $map, $key, $value, 0) :
		pack('L x4 P x112', $map, $key);

	return 1 if syscall($bpf, $what, $attr, length $attr) == 0;
	return 0 if $what == $update && $! == E2BIG;
	die "entry $n: $!\n";
}

my $n = 0;
$n++ while entry($update, $n);
print "filled $n\n";
defined(<STDIN>) or exit 0;
entry($delete, $_) for 0 .. $n - 1;
print "emptied\n";
<STDIN>;
