#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Judges what was measured of one load, and prints the table of many.
#
#	rate_judge.pl cell ENOUGH MOST KEY=VALUE... <RECORDS
#		Records are "ROUND WAY RATE P99 PAUSE", or "ROUND WAY failed WHY". Prints the
#		verdict: "pass", "more" if more rounds are needed to tell, or "fail WHY"; then
#		the row of the table, with tabs. Keys: server, load, unit, note, and for WAY, shunt
#		and auto: WAY_share (of bytes that were redirected, "DOWN/UP" in percent),
#		WAY_captured, WAY_released (directions).
#	rate_judge.pl table <ROWS
#
# A way is compared with splice in the same round, as the machine is not the same in the next;
# the median of these ratios counts. A load passes as soon as ENOUGH rounds speak for it, and
# fails if after MOST rounds the median still does not.
use strict;
use warnings;

my $slow = 0.9;      # of splice
my $same = 0.8;      # the same where the way is splice itself: only noise is left
my $pause = 100;     # milliseconds

my @order = qw(native splice shunt auto);
my @columns = (qw(server load native unit splice/n shunt/n auto/n shunt/splice), 'p99 n/sp/sh/au',
	'longest ms', 'share d/u', 'auto d/u',
	'rounds', 'remark');

sub median {
	my @sorted = sort { $a <=> $b } @_;

	return undef unless @sorted;
	return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}

sub figure {
	my ($n) = @_;

	return '-' unless defined $n;
	return sprintf $n >= 100 ? '%.0f' : $n >= 10 ? '%.1f' : '%.2f', $n;
}

# cell - RECORDS is one round after the other.
sub cell {
	my ($enough, $most, %key) = @_;
	my (%rate, %p99, %longest, $failed, $rounds);

	while (<STDIN>) {
		chomp;
		my ($round, $way, $rate, @rest) = split ' ';
		$rounds = $round;
		if ($rate eq 'failed') {
			$failed //= "$way failed: @rest";
			next;
		}
		$rate{$way}{$round} = $rate;
		push @{ $p99{$way} }, $rest[0] if $rest[0] ne '-';
		push @{ $longest{$way} }, $rest[1] if $rest[1] ne '-';
	}

	my $ratio = sub {
		my ($way, $to) = @_;

		return median(map { $rate{$way}{$_} / $rate{$to}{$_} }
			grep { ($rate{$to}{$_} // 0) > 0 } keys %{ $rate{$way} });
	};
	my $pauses = sub { scalar grep { $_ >= $pause } @{ $longest{ $_[0] } || [] } };
	# redirected, released, or captured all the time: else the way is splice itself
	my $redirected = sub { grep { $_ ne '-' && $_ >= 1 } split m{/}, $key{"$_[0]_share"} // '-/-' };
	my $shunted = sub {
		my ($way) = @_;

		return $redirected->($way) || ($key{"${way}_released"} // 0) > 0 ||
			($key{"${way}_captured"} // 0) > 0;
	};
	my (@why, @doubt);

	push @why, $failed if $failed;
	for my $way ('shunt', 'auto') {
		my $r = $ratio->($way, 'splice') // next;
		my $limit = $shunted->($way) ? $slow : $same;

		push @doubt, sprintf('%s is %.2f of splice, less than %.1f', $way, $r, $limit)
			if $r < $limit;
		# one pause may be the machine's; a third of all rounds is not, if others have few
		my $n = $pauses->($way);
		my $others = (sort { $b <=> $a } map { $pauses->($_) } 'native', 'splice')[0];
		push @doubt, "$way paused for $pause ms or more in $n of $rounds rounds, native or splice in $others"
			if $n >= ($rounds < $most ? 1 : $rounds / 3) && $n > 2 * $others;
	}
	push @why, @doubt if $rounds >= $most;

	my $worst = sub { figure((sort { $b <=> $a } @{ $_[0] || [] })[0]) };
	my @note = grep { length } $key{note} // '';
	my $released = $key{shunt_released} // 0;
	if ($released) {
		push @note, "$released senders were given back to splice";
	} elsif ($rate{shunt} && !$redirected->('shunt') && !@note) {
		push @note, $shunted->('shunt') ? 'captured, but nothing is redirected' : 'not captured';
	}
	print @why ? 'fail ' . join('; ', @why) : $rounds < $enough || @doubt ? 'more' : 'pass', "\n";
	print join("\t", $key{server}, $key{load}, figure(median(values %{ $rate{native} })), $key{unit},
		(map { figure($ratio->($_, 'native')) } qw(splice shunt auto)),
		figure($ratio->('shunt', 'splice')),
		join('/', map { figure(median(@{ $p99{$_} || [] })) } @order),
		join('/', map { $worst->($longest{$_}) } @order),
		$key{shunt_share} // '-', $key{auto_share} // '-', $rounds,
		join('; ', (@why ? '**FAILS**: ' . join('; ', @why) : ()), @note)), "\n";
}

sub table {
	my @rows = (\@columns, map { chomp; [split /\t/, $_, -1] } <STDIN>);
	my @width;

	for my $row (@rows) {
		for my $i (0 .. $#columns - 1) {
			my $n = length $row->[$i];
			$width[$i] = $n if $n > ($width[$i] // 0);
		}
	}
	for my $row (@rows) {
		my $line = join '  ', map {
			$_ == $#columns ? $row->[$_] : $_ < 2 || $_ == 3 ? sprintf('%-*s', $width[$_], $row->[$_]) :
				sprintf('%*s', $width[$_], $row->[$_])
		} 0 .. $#columns;
		$line =~ s/ +$//;
		print "$line\n";
	}
}

my $mode = shift // '';
if ($mode eq 'cell') {
	my ($enough, $most) = splice @ARGV, 0, 2;
	cell($enough, $most, map { /^(\w+)=(.*)$/s ? ($1, $2) : die "$_: no KEY=VALUE\n" } @ARGV);
} elsif ($mode eq 'table') {
	table();
} else {
	die "usage: see the head of $0\n";
}
