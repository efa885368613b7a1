#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# report.pl HEAD RECORDS [JSON] - the tables of `make bench`, on stdout, and the same as JSON.
#
# HEAD has what was run: "way", "skipped", "run" and "load" lines; RECORDS has one measurement
# a line: load, round, way, and KEY=VALUE... or "failed why" or "none why". Fields are separated
# by tabs. Fails when a measurement of portshunt's failed.
use strict;
use warnings;
use utf8;
use JSON::PP;
use POSIX qw(uname);

# Figure => heading, format, divisor for print, and whether it is compared with native's.
my %FIGURES = (
	gbps => ['Gbit/s', '%.2f', 1, 1],
	msgs_per_s => ['k msg/s', '%.0f', 1e3, 1],
	tps => ['tps', '%.0f', 1, 1],
	conns_per_s => ['conn/s', '%.0f', 1, 1],
	p50_us => ['p50 us', '%.0f', 1, 0],
	p99_us => ['p99 us', '%.0f', 1, 1],
	errors => ['errors', '%.0f', 1, 0],
	pss_per_conn => ['Pss B/conn', '%.0f', 1, 0],
	fds_per_conn => ['fds/conn', '%.2f', 1, 0],
	kernel_per_conn => ['kernel B/conn', '%.0f', 1, 0],
	held => ['held', '%.0f', 1, 0],
	accepted => ['accepted MB', '%.2f', 1e6, 0],
	pss => ['Pss MB', '%.2f', 1e6, 0],
	ready_ms => ['ms', '%.1f', 1, 0],
	pps => ['k datagrams/s', '%.0f', 1e3, 1],
	loss => ['lost', '%.4f', 1, 0],
	cpu => ['CPU ÷ native', '%.2f', 1, 0],
);

# What is asked of a datapath: of which loads, against what, at least, how it is meant; and
# of which figure when not the first, at most.
my %MARKS = (splice => [
	[qr/^(bulk|epoll)-/, 'rootlessport', 1.2, 'wanted'],
	[qr/^(bulk|epoll)-/, 'pasta', 1.0, 'wanted'],
	[qr/^crr-/, 'rootlessport', 2.0, 'wanted'],
	[qr/^bulk-select-/, 'native', 0.45, 'floor'],
	[qr/^bulk-select-/, 'native', 0.6, 'aim'],
	[qr/^epoll-/, 'native', 0.65, 'floor'],
	[qr/^epoll-/, 'native', 0.8, 'aim'],
	[qr/^rr-64$/, 'native', 0.42, 'floor'],
	[qr/^rr-64$/, 'native', 0.5, 'aim'],
	[qr/^rr-1$/, 'native', 0.75, 'floor'],
	[qr/^rr-1$/, 'native', 0.85, 'aim'],
	[qr/^crr-16$/, 'native', 0.40, 'floor'],
	[qr/^crr-16$/, 'native', 0.45, 'aim'],
	[qr/^udp-(64|1372)-(up|down)$/, 'rootlessport', 2.0, 'wanted'],
	[qr/^udp-(64|1372)-(up|down)$/, 'native', 0.6, 'floor'],
	[qr/^udp-(64|1372)-(up|down)$/, 'native', 0.8, 'aim'],
], shunt => [
	[qr/^bulk-select-/, 'native', 1.15, 'floor'],
	[qr/^bulk-select-/, 'native', 1.5, 'aim'],
	[qr/^epoll-/, 'native', 0.9, 'floor'],
	[qr/^epoll-/, 'native', 1.0, 'aim'],
	[qr/^rr-64$/, 'native', 0.7, 'floor'],
	[qr/^rr-64$/, 'native', 0.9, 'aim'],
	[qr/^rr-1-epoll$/, 'native', 0.9, 'floor'],
	[qr/^rr-1-epoll$/, 'native', 1.0, 'aim'],
	[qr/^(bulk-select|epoll)-/, 'rootlessport', 2.0, 'wanted'],
	[qr/^(bulk-select|epoll)-/, 'pasta', 1.5, 'wanted'],
	[qr/^(bulk-select|epoll)-/, 'native', 1.2, 'wanted', 'cpu'],
]);

# The same in the hands of podman, with the helper that is podman's own.
my @PODMAN_MARKS = (
	[qr/^(bulk|epoll)-/, 'podman', 1.2, 'wanted'],
	[qr/^crr-/, 'podman', 2.0, 'wanted'],
);

my (@ways, @skipped, @loads, %title, %figures, $rounds, $seconds, $busy);
my $wide = 18;	# the column of the ways
my (%data, %failed, %none);	# {load}{way}: {round}{figure}; why

binmode STDOUT, ':encoding(UTF-8)';

sub read_head {
	my ($file) = @_;
	open(my $f, '<', $file) or die "report: $file: $!\n";
	while (<$f>) {
		chomp;
		my ($kind, @rest) = split /\t/;
		if ($kind eq 'way') { push @ways, [@rest] }
		elsif ($kind eq 'skipped') { push @skipped, [@rest] }
		elsif ($kind eq 'run') { ($rounds, $seconds, $busy) = @rest }
		else {
			push @loads, $rest[0];
			$figures{$rest[0]} = [split ' ', $rest[1]];
			$title{$rest[0]} = $rest[2];
		}
	}
}

# CPU time for a unit of work, of the whole machine.
sub cpu_of {
	my ($v) = @_;
	return $v->{cpu_s_per_gbit} if defined $v->{cpu_s_per_gbit};
	return $v->{count} ? $v->{cpu_s} / $v->{count} : undef if defined $v->{cpu_s};
	return undef;
}

sub read_records {
	my ($file) = @_;
	open(my $f, '<', $file) or die "report: $file: $!\n";
	while (<$f>) {
		chomp;
		my ($load, $round, $way, $text) = split /\t/, $_, 4;
		if ($text =~ /^failed:? ?(.*)/) { push @{$failed{$load}{$way}}, $1; next }
		if ($text =~ /^none (.*)/) { $none{$load}{$way} = $1; next }
		my %v = map { /^(\w+)=(.*)/ ? ($1 => $2) : () } split ' ', $text;
		$v{cpu} = cpu_of(\%v);
		$data{$load}{$way}{$round} = \%v;
	}
}

sub median {
	my @s = sort { $a <=> $b } @_;
	return undef unless @s;
	return @s % 2 ? $s[$#s / 2] : ($s[$#s / 2] + $s[@s / 2]) / 2;
}

# The values of a figure, or, with another way, their ratios to that one's of the same round.
sub values_of {
	my ($load, $way, $figure, $other) = @_;
	my @out;
	for my $round (sort { $a <=> $b } keys %{$data{$load}{$way} || {}}) {
		my $v = $data{$load}{$way}{$round}{$figure};
		next unless defined $v;
		if (defined $other) {
			my $w = $data{$load}{$other}{$round}{$figure};
			next unless $w && $w != 0;
			$v /= $w;
		}
		push @out, $v;
	}
	return @out;
}

sub spread {
	my @s = sort { $a <=> $b } @_;
	return sprintf('(%.2f–%.2f)', $s[0], $s[-1]);
}

sub pad {
	my ($text, $width) = @_;
	return ' ' x ($width - length $text) . $text;
}

sub load_table {
	my ($load) = @_;
	my ($main, @others) = @{$figures{$load}};
	my $is_ratio = $FIGURES{$main}[3] && $data{$load}{native};
	printf "%s: %s\n  %-${wide}s%12s", $load, $title{$load}, '', $FIGURES{$main}[0];
	print pad('÷ native', 10), '  ', sprintf('%-13s', '(min–max)') if $is_ratio;
	print pad($FIGURES{$_}[0], 14) for @others;
	print "\n";
	for my $way (map { $_->[0] } @ways) {
		next if $none{$load}{$way};
		printf "  %-${wide}s", $way;
		my @why = @{$failed{$load}{$way} || []};
		my @v = values_of($load, $way, $main);
		if (!@v) { print @why ? "failed: $why[0]\n" : "not measured\n"; next }
		print pad(sprintf($FIGURES{$main}[1], median(@v) / $FIGURES{$main}[2]), 12);
		if ($is_ratio) {
			my @r = values_of($load, $way, $main, 'native');
			print pad(@r ? sprintf('%.2f', median(@r)) : '-', 10), '  ',
				sprintf('%-13s', @r ? spread(@r) : '');
		}
		for my $f (@others) {
			my @o = $f eq 'cpu' ? values_of($load, $way, $f, 'native') : values_of($load, $way, $f);
			print pad(@o ? sprintf($FIGURES{$f}[1], median(@o) / $FIGURES{$f}[2]) : '-', 14);
		}
		print "\n";
		printf "  %${wide}sfailed %d of %d times: %s\n", '', scalar(@why), @v + @why, $why[0] if @why;
	}
	print "\n";
}

sub summary {
	my @shown = grep { $FIGURES{$figures{$_}[0]}[3] && $data{$_}{native} } @loads;
	my @names = grep { $_ ne 'native' } map { $_->[0] } @ways;
	return unless @shown && @names;
	print "medians of the ratios to native (p99 for wwr: less is better)\n";
	print ' ' x 20, map({ pad($_, length($_) > 9 ? length($_) + 2 : 11) } @names), "\n";
	for my $load (@shown) {
		printf '  %-18s', $load;
		for my $way (@names) {
			my @r = values_of($load, $way, $figures{$load}[0], 'native');
			print pad(@r ? sprintf('%.2f', median(@r)) : '-', length($way) > 9 ? length($way) + 2 : 11);
		}
		print "\n";
	}
	print "\n";
}

sub marks {
	my ($way) = @_;
	my @lines;
	my $marks = $way =~ /^podman:/ ? \@PODMAN_MARKS : $MARKS{$way =~ /:shunt$/ ? 'shunt' : 'splice'};
	for my $mark (@$marks) {
		my ($wanted, $other, $bound, $who, $cost) = @$mark;
		my $sign = $cost ? -1 : 1;
		for my $load (grep { /$wanted/ } @loads) {
			my @r = values_of($load, $way, $cost // $figures{$load}[0], $other);
			next unless @r;
			my $m = median(@r);
			my $best = (sort { $sign * $b <=> $sign * $a } @r)[0];
			my $verdict = $sign * $m >= $sign * $bound ? 'met' :
				$sign * $best >= $sign * $bound ? 'missed, within the spread' : 'missed';
			push @lines, sprintf("  %-20s %-4s÷ %-13s %s %.2f %-7s%6.2f  %-14s %s\n",
				$load, $cost // '', $other, $cost ? '≤' : '≥', $bound, $who, $m, spread(@r), $verdict);
		}
	}
	print "$way against its marks, median of the ratios of each round\n", @lines, "\n" if @lines;
}

sub json {
	my ($file) = @_;
	my %out = (
		kernel => join(' ', (uname())[0, 2, 4]),
		cpus => 0 + `getconf _NPROCESSORS_ONLN`,
		rounds => 0 + $rounds,
		seconds => 0 + $seconds,
		load_average_before => 0 + $busy,
		ways => {map { $_->[0] => $_->[1] } @ways},
		skipped => {map { $_->[0] => $_->[1] } @skipped},
	);
	for my $load (@loads) {
		my $l = $out{loads}{$load} = {title => $title{$load}, figure => $figures{$load}[0]};
		for my $way (map { $_->[0] } @ways) {
			next if $none{$load}{$way};
			my $w = $l->{ways}{$way} = {};
			$w->{failed} = $failed{$load}{$way} if $failed{$load}{$way};
			$w->{$_} = [map { 0 + $_ } values_of($load, $way, $_)] for @{$figures{$load}};
			next unless $FIGURES{$l->{figure}}[3];
			$w->{to_native} = [values_of($load, $way, $l->{figure}, 'native')];
		}
	}
	open(my $f, '>', $file) or die "report: $file: $!\n";
	print $f JSON::PP->new->canonical->pretty->encode(\%out);
	close($f) or die "report: $file: $!\n";
}

my ($head, $records, $json) = @ARGV;
read_head($head);
read_records($records);
for (@ways, @skipped) { $wide = length($_->[0]) + 2 if length($_->[0]) + 2 > $wide }
printf "portshunt bench: %s rounds of %s s; %s %s, %d CPUs, load average before %s\n", $rounds,
	$seconds, (uname())[0, 2], `getconf _NPROCESSORS_ONLN`, $busy;
printf "  %-${wide}s%s\n", @$_ for @ways;
printf "  %-${wide}sskipped: %s\n", @$_ for @skipped;
print "\n";
load_table($_) for @loads;
summary();
marks($_) for grep { /^(podman:)?portshunt/ } map { $_->[0] } @ways;
json($json) if defined $json;
my @bad = map { my $l = $_; map { "$l, $_: $failed{$l}{$_}[0]" } grep { /^portshunt/ } sort keys %{$failed{$l} || {}} } @loads;
print "failed: $_\n" for @bad;
exit(@bad ? 1 : 0);
