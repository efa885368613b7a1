#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Runs a matrix of cells of tests/tools/ways natively, on splice and on the shunt, and judges the
# shunt by the time that it takes. Prints TAP: a line for each way to send.
#
#	ways.pl PROGRAM NETNS PORT SPLICE_PORT SHUNT_PORT STATS
#
# STATS is the command that prints the shunt's `portshunt stats --json`. By the environment:
#
#	MATRIX=short|whole	short: a cell runs natively and on splice only if it is suspicious
#	ONLY=REGEX		these cells only; see the lines that are printed
#	ROUNDS=N		whole: at least so many, 3
#	CELLS=FILE		every line of the program is added there
use strict;
use warnings;
use IPC::Open2;

# A pause. Without one, all that a connection waits for is the other end's work.
my $PAUSE_MS = 100;
# A cell with pauses is tried so often; one may be the machine's. So often where the others pause
# as well: 3 of 9 beside 2 of 9 say nothing.
my ($MOST_ROUNDS, $MOST_BESIDE_OTHERS) = (9, 27);
# So many times the others' pauses are the shunt's own. A slow receiver of small messages has
# splice pause, too, now in a tenth of the runs and now in a third.
my $BESIDE_OTHERS = 2;
# The median of small messages that nothing explains but a timer; and it must be so many times
# the others'.
my ($LATE_US, $LATE_TIMES, $SMALL) = (2000, 5, 10000);
# A cell that lasts so long natively is run once a round.
my $SHORT_S = 0.2;
my $LEAST_RATE = 0.9;
# Of the bytes of a way's best cell.
my $LEAST_SHARE = 50;

# Who is never captured, as the application would notice.
my %never = map { $_ => 1 } qw(zerocopy uring-send uring-zc);

my ($program, $netns, $port, $splice, $shunt, $stats) = @ARGV;
my %port_of = (native => 0, splice => $splice, shunt => $shunt);
my $whole = ($ENV{MATRIX} // 'short') eq 'whole';
my $rounds = $ENV{ROUNDS} // 3;
my $only = $ENV{ONLY} // '.';

my $pid = open2(my $from, my $to, $program, '--netns', $netns, '--port', $port);
open my $log, '>>', $ENV{CELLS} // '/dev/null' or die "$ENV{CELLS}: $!\n";
$SIG{PIPE} = sub { die "$program has ended\n" };

# ---- the matrix -----------------------------------------------------------------------

# Messages of a size, and how many; the last one alone is what a download is.
my @loads = $whole
	? ([200, 2000], [10000, 1000], [100000, 300], [1000000, 40], [10000000, 6], [150000000, 1], [10000000, 1])
	: ([200, 200], [10000, 150], [100000, 50], [3000000, 4], [10000000, 2]);
# Each pair of two options occurs.
my @variants = ('edge nodelay fast', 'level nagle fast', 'level nodelay slow', 'edge nagle slow');

sub is_wanted {
	my ($way, $most, $size, $variant, $i) = @_;

	return 0 if $size > $most;
	# one message that is answered at once has no receiver to wait for
	return 0 if $variant =~ /slow/ && $size < 1000000;
	# two of the variants take turns
	return 0 if !$whole && $variant ne $variants[0] && $i % 2;
	return 0 if !$whole && $variant eq $variants[0] && $size == 3000000;
	return 0 if $whole && $size > 100000000 && $way !~ /^(send|writev|more-16k|cork-16k|sendfile|sendfile-cork|sendfile-nginx|splice|uring-send)$/;
	return 1;
}

sub cells {
	my (@cells, $i);

	for (split /\n/, `$program --list`) {
		my ($way, $most) = split ' ';

		for my $direction ('down', 'up') {
			for my $load (@loads) {
				for my $variant (@variants) {
					next if !is_wanted($way, $most, $load->[0], $variant, $i++);
					push @cells, { way => $way, size => $load->[0],
						text => "$way $direction @$load $variant",
						# short ones are tried more often
						repeat => $whole && $load->[0] * $load->[1] <= 10000000 ? 3 : 1 };
				}
			}
		}
	}
	return grep { $_->{text} =~ /$only/ } @cells;
}

# ---- running a cell -------------------------------------------------------------------

# What the shunt has relayed and redirected in all, both ways.
sub counts {
	my ($text) = `$stats` =~ /"total":(\{.*?\})/s or die "no statistics\n";
	my %n = $text =~ /"(\w+)":\s*(\d+)/g;

	return [$n{up_relayed} + $n{down_relayed}, $n{up_redirected} + $n{down_redirected}];
}

my $before;

# run CELL WHERE - its figures, which are kept as well.
sub run {
	my ($cell, $where) = @_;
	my ($line, %r);

	print $to "$port_of{$where} $cell->{text}\n";
	$to->flush;
	$line = <$from> // die "$program has ended\n";
	%r = $line =~ /(\S+?)=(\S+)/g;
	if ($where eq 'shunt') {
		my $now = counts();
		my ($relayed, $redirected) = map { $now->[$_] - $before->[$_] } 0, 1;

		$before = $now;
		$r{share} = $relayed + $redirected ? 100 * $redirected / ($relayed + $redirected) : 0;
		chomp $line;
		$line .= sprintf " share=%.0f\n", $r{share};
	}
	print $log "where=$where $line";
	$r{pause} = (sort { $b <=> $a } @r{qw(room_ms data_ms answer_ms)})[0];
	push @{$cell->{$where}}, \%r;
	return \%r;
}

sub median {
	my @sorted = sort { $a <=> $b } @_;

	return @sorted ? $sorted[$#sorted / 2] : 0;
}

# of CELL WHERE FIELD - the figures of all rounds
sub of {
	my ($cell, $where, $field) = @_;

	return map { $_->{$field} } @{$cell->{$where} // []};
}

sub pauses {
	return scalar grep { $_ >= $PAUSE_MS } of(@_, 'pause');
}

sub errors {
	return grep { $_ ne 'none' } of(@_, 'error');
}

sub is_late {
	my ($cell) = @_;
	my $p50 = median(of($cell, 'shunt', 'p50_us'));

	return 0 if $cell->{size} > $SMALL || $p50 < $LATE_US;
	return !grep { $p50 < $LATE_TIMES * median(of($cell, $_, 'p50_us')) } qw(native splice);
}

sub is_suspicious {
	my ($cell) = @_;

	return errors($cell, 'shunt') || pauses($cell, 'shunt') || is_late($cell);
}

sub ratio {
	my ($cell, $to) = @_;
	my $rate = median(of($cell, $to, 'mbs'));

	return $rate ? median(of($cell, 'shunt', 'mbs')) / $rate : 1;
}

# Of the best runs. Which processes share a CPU makes a connection half as fast, and with chance
# most of one kind; what is always slower is so in its best run, too.
sub best_ratio {
	my ($cell) = @_;
	my ($own, $splice) = map { (sort { $b <=> $a } of($cell, $_, 'mbs'))[0] } qw(shunt splice);

	return $splice ? $own / $splice : 1;
}

# fault CELL - what is wrong with it, or nothing. Asked again after more rounds.
sub fault {
	my ($cell) = @_;
	my @errors = errors($cell, 'shunt');
	my ($n, $natively, $splice) = map { pauses($cell, $_) } qw(shunt native splice);

	return "error $errors[0], which natively there is not" if @errors && !errors($cell, 'native');
	return sprintf 'pauses, up to %.0f ms, in %d of %d runs; natively in %d, on splice in %d',
		(sort { $b <=> $a } of($cell, 'shunt', 'pause'))[0], $n, scalar @{$cell->{shunt}},
		$natively, $splice
		if $n > 2 && $n > @{$cell->{shunt}} / 4 && $n > $BESIDE_OTHERS * ($natively + $splice);
	return sprintf 'a message takes %.1f ms; natively %.2f, on splice %.2f',
		map { median(of($cell, $_, 'p50_us')) / 1e3 } qw(shunt native splice) if is_late($cell);
	return sprintf '%.2f of the rate of splice; of native %.2f, splice of native %.2f',
		ratio($cell, 'splice'), ratio($cell, 'native'),
		ratio($cell, 'native') / (ratio($cell, 'splice') || 1)
		if $whole && ratio($cell, 'splice') < $LEAST_RATE && best_ratio($cell) < $LEAST_RATE;
	return '';
}

# Each of them is the first one, the second, and the last as often: what ran before leaves its
# mark on the machine.
sub round {
	my ($cell) = @_;
	my $order = $cell->{order} //= [qw(native splice shunt)];

	for (1 .. $cell->{repeat}) {
		run($cell, $_) for @$order;
		push @$order, shift @$order;
		last if $cell->{native}[-1]{seconds} > $SHORT_S;
	}
}

sub others_pause {
	my ($cell) = @_;

	return pauses($cell, 'native') + pauses($cell, 'splice');
}

sub run_suspicious {
	my ($cell) = @_;

	for (;;) {
		my $runs = @{$cell->{shunt}};

		return if !is_suspicious($cell);
		return if $runs >= (others_pause($cell) ? $MOST_BESIDE_OTHERS : $MOST_ROUNDS);
		return if $runs >= 3 && fault($cell) && !others_pause($cell);
		round($cell);
	}
}

# Until nothing is wrong with it, or often enough.
sub run_cell {
	my ($cell) = @_;

	if ($whole) {
		for (my $n = 0; $n < $rounds || $n < $MOST_ROUNDS && fault($cell); $n++) {
			round($cell);
			last if errors($cell, 'shunt');
		}
	} else {
		run($cell, 'shunt');
		run_suspicious($cell) if is_suspicious($cell);
	}
}

# ---- the verdicts ---------------------------------------------------------------------

my ($n, @cells) = (0, cells());
my @ways;
for my $cell (@cells) {
	push @ways, $cell->{way} if !@ways || $ways[-1] ne $cell->{way};
}

sub tap {
	my ($ok, $name, @why) = @_;

	$n++;
	print $ok ? '' : 'not ', "ok $n - $name\n", map { "#   $_\n" } @why;
}

# In how many cells there mostly was a wait of 10 ms for room to write.
sub long_waits {
	my ($where) = @_;

	return grep { median(map { $_ > 0 } of($_, $where, 'room_10ms')) } @cells;
}

# The server that nginx is, reduced: in so many runs it never waits 10 ms for room. Natively and
# on splice it is run only if it does.
my ($NGINX_RUNS, $BY_THE_MACHINE) = (20, 2);

sub waited {
	return scalar grep { $_ > 0 } of(@_, 'room_10ms');
}

sub nginx {
	my %cell = (way => 'sendfile-cork', size => 150000000,
		text => 'sendfile-cork down 150000000 1 edge nagle fast');
	my ($n, @others);

	run(\%cell, 'shunt') for 1 .. $NGINX_RUNS;
	if (waited(\%cell, 'shunt') || errors(\%cell, 'shunt')) {
		@others = qw(native splice);
		for my $where (@others) {
			run(\%cell, $where) for 1 .. $NGINX_RUNS;
		}
	}
	$n = waited(\%cell, 'shunt') - $BY_THE_MACHINE;
	tap(!errors(\%cell, 'shunt') && ($n <= 0 || scalar grep { waited(\%cell, $_) >= $n } @others),
		"150 MB by TCP_CORK and sendfile(2), $NGINX_RUNS times: no wait of 10 ms for room",
		map { sprintf '%s: waits in %d, the longest %.1f ms; %.0f MB/s', $_, waited(\%cell, $_),
			(sort { $b <=> $a } of(\%cell, $_, 'room_ms'))[0], median(of(\%cell, $_, 'mbs')) }
		'shunt', @others);
}

$| = 1;
$before = counts();
print '1..', @ways + 1 + $whole, "\n";
nginx();
for my $way (@ways) {
	my @mine = grep { $_->{way} eq $way } @cells;
	my (@faults, @shares);

	for my $cell (@mine) {
		run_cell($cell);
		my $fault = fault($cell);
		push @faults, "$cell->{text}: $fault" if $fault;
		push @shares, of($cell, 'shunt', 'share');
	}
	# io_uring may be switched off
	if (!grep { !errors($_, 'native') } @mine) {
		tap(1, "$way # SKIP natively: " . (errors($mine[0], 'native'))[0]);
		next;
	}
	my ($best) = sort { $b <=> $a } @shares;
	push @faults, sprintf 'the shunt was not in use: at most %.0f %% was redirected', $best
		if !$never{$way} && $best < $LEAST_SHARE && !$ENV{ONLY};
	# the answers are sent otherwise, and may be captured
	push @faults, sprintf 'the shunt was in use: up to %.0f %% was redirected', $best
		if $never{$way} && $best >= $LEAST_SHARE;
	tap(!@faults, "$way: no error, no pause" . ($whole ? ', no less than splice' : ''), @faults);
}
if ($whole) {
	my %long = map { $_ => [long_waits($_)] } qw(native splice shunt);

	tap(@{$long{shunt}} <= @{$long{native}} || @{$long{shunt}} <= @{$long{splice}},
		'waits of 10 ms for room to write are in no more cells than natively',
		map { my $where = $_; map { "$where: $_->{text}" } @{$long{$where}} } qw(native splice shunt));
}
close $to;
waitpid $pid, 0;
