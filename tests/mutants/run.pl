#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Does a test notice when a line of the program is wrong? Applies the faults of the lists
# beside this file, one at a time, builds, and runs the tests that ought to go red.
#
#	run.pl OUT [--only REGEX] [--jobs N] [--minutes N]
#		OUT is a directory: results, logs, and copies of the tree, in which all of this
#		happens. Faults whose result is known are not tried again until the sources or
#		their tests change, so that a run goes on where the last one ended.
#		--only: those whose "FILE: NAME" matches. --minutes: begin no more after that.
#	run.pl --check
#		Do all entries fit the sources, and are there the tests that they name?
#
# A list, *.txt, has paragraphs:
#
#	@ user/base/tcp.c			the file of the entries that follow
#	! build/tests/unit/base_tcp		tests of those that name none
#
#	keep-alive is off			what is wrong
#	in tcp_set_options			a function; only where the text is there twice
#	- SO_KEEPALIVE, 1);			a piece of one line
#	+ SO_KEEPALIVE, 0);			and what takes its place
#	! tests/e2e/tcp_ends.bats:resets	tests of this one, until one is red: a file, of
#	! build/tests/unit/base_loop		.bats :REGEX of names; programs as make builds them
#	= REASON				instead of tests: no test can notice, and why
#
# "killed": a test went red. "timeout": it did not end. "survived": none did. "broken build"
# and "stale": the entry does not build, or does not fit; "bad test": the one that
# is red is so without the fault as well. Exits with 1 unless all are killed or timeouts.
#
# Each job runs its tests in namespaces of its own (network, processes, mounts), so they run
# side by side; those that share more than that ($ALONE) have the machine to themselves.
use strict;
use warnings;
use Cwd 'abs_path';
use Digest::SHA 'sha1_hex';
use Fcntl ':flock';
use File::Basename 'dirname';
use File::Find;
use Getopt::Long;
use POSIX '_exit';
use Time::HiRes qw(time stat);

# Users in /etc/passwd, cgroups, and what programs the kernel has, are the machine's.
my $ALONE = qr/\buser_need\b|gone_from_kernel|bpftool|systemd-run|cgroup/;

# What tests of a kind share, besides the file itself.
my %SHARED = ('tests/e2e' => 'tests/e2e/*.bash', 'tests/unit' => 'tests/unit/*.h',
	'tests/bpf' => 'tests/bpf/*.h', 'tests/fuzz' => 'tests/fuzz/*.[ch]');

my $FAULT_SECONDS = 20; # what a test gets besides three times what it took without a fault
my $TEST_SECONDS = 300; # without a fault
my $UNKNOWN_SECONDS = 60; # when it has not been tried without one
my $MEMORY_KIB = 8 << 20;

chdir dirname(abs_path($0)) . '/../..' or die;
my ($only, $jobs, $minutes, $check) = ('', 1, 0, 0);
GetOptions('only=s' => \$only, 'jobs=i' => \$jobs, 'minutes=f' => \$minutes, 'check' => \$check)
	or die "see the head of $0\n";
my ($out) = @ARGV;
my $began = time;

require './tests/mutants/lists.pl';
my @all = read_lists();

if ($check) {
	my $bad = 0;
	for my $e (@all) {
		my @faults = grep { defined } $e->{stale}, map { test_fault($_) } @{$e->{tests}};
		push @faults, 'neither a test nor a reason' unless @{$e->{tests}} || $e->{reason};
		print title($e), ": $_\n" for @faults;
		$bad ||= @faults;
	}
	print scalar(@all), " faults, ", scalar(grep { $_->{reason} } @all), " equivalent\n";
	exit($bad ? 1 : 0);
}
die "see the head of $0\n" unless defined $out;
die "mutants are tried in namespaces: run this as root\n" if $>;

# ---- what is known ----------------------------------------------------------------------

sub hash_of {
	my @files;

	find({ wanted => sub { push @files, $_ if -f }, no_chdir => 1 }, grep { -e } @_);
	return sha1_hex(join '', map { "$_\0" . slurp($_) . "\0" } sort @files);
}

my $sources = hash_of('Makefile', 'user', 'bpf', 'include');
my $tools = hash_of('tests/tools');
my %test_key;

sub test_key {
	my ($test) = @_;
	my $source = test_source($test);

	return $test_key{$test} //= sha1_hex(join ' ', $test, $sources, $tools,
		hash_of($source, glob($SHARED{dirname $source} // '')));
}

sub key_of {
	my ($e) = @_;

	return sha1_hex(join "\0", @$e{qw(file old new)}, $e->{in} // '',
		map { test_key($_) } @{$e->{tests}});
}

my %known; # key => [status, seconds, text]

sub load_results {
	open my $f, '<', "$out/results" or return;
	while (<$f>) {
		chomp;
		my ($key, @rest) = split /\t/, $_, -1;
		# what a busy machine may have spoilt is tried again
		next if @rest != 3 || $rest[0] eq 'bad test' ||
			($key =~ /^without / && $rest[0] ne 'green');
		$known{$key} = \@rest;
	}
}

sub note {
	my ($key, @result) = @_;

	$known{$key} = [@result];
	open my $f, '>>', "$out/results" or die "$out/results: $!\n";
	print $f join("\t", $key, @result), "\n";
	close $f;
}

# ---- the copies of the tree -------------------------------------------------------------

sub run_quietly {
	my ($log, @command) = @_;
	my $pid = fork // die "fork: $!\n";

	if (!$pid) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $log;
		open STDERR, '>&', \*STDOUT;
		exec @command or _exit(127);
	}
	waitpid $pid, 0;
	return $?;
}

# The one that the others are copies of: built, and with no program that is linked with the
# objects, so that such a program is always of the objects that are there.
sub make_pristine {
	my ($dir) = @_;

	run_quietly('/dev/null', 'mkdir', '-p', "$dir/build");
	run_quietly('/dev/null', 'rm', '-rf', map { "$dir/$_" } qw(user bpf include tests Makefile));
	run_quietly('/dev/null', 'cp', '-a', qw(user bpf include tests Makefile LICENSE), $dir) == 0
		or die "cannot copy the tree to $dir\n";
	run_quietly("$out/build.log", 'make', '-C', $dir, 'O=build', "-j$jobs", 'all',
		map { "build/tests/$_" } qw(peer twin ways asker)) == 0
		or die "the program does not build: $out/build.log\n";
	unlink "$dir/build/portshunt", grep { -f && -x } glob "$dir/build/tests/*/*";
}

# Changed files, and objects made since, are as before.
sub restore {
	my ($tree, $file, $since) = @_;
	my $pristine = "$out/pristine";

	run_quietly('/dev/null', 'cp', '-p', "$pristine/$file", "$tree/$file");
	find({ no_chdir => 1, wanted => sub {
		return unless -f && (stat)[9] >= $since;
		my $same = $pristine . substr($_, length $tree);
		unlink;
		run_quietly('/dev/null', 'cp', '-p', $same, $_) if -e $same;
	} }, "$tree/build");
}

# ---- running a test ---------------------------------------------------------------------

my $INSIDE = <<'END';
set -e
mount -t tmpfs -o mode=755 none /run
mkdir -m 1777 /run/lock
case $PWD/ in /tmp/*) ;; *) mount -t tmpfs -o mode=1777 none /tmp ;; esac
ip link set lo up
ulimit -S -v "$1"
ulimit -c 0
shift
set +e
"$@"
exit $?
END

# run_test TREE, TEST, SECONDS, LOG - returns "green", "red", "timeout" or "skipped".
sub run_test {
	my ($tree, $test, $seconds, $log) = @_;
	my ($file, $regex) = split /:/, $test, 2;
	my @command = defined $regex ? ('bats', '--tap', '-f', $regex, $file) :
		('tests/tools/run-test.sh', $file);
	my $alone = slurp("$tree/" . test_source($test)) =~ $ALONE;
	my ($status, $lines);

	open my $lock, '>>', "$out/lock" or die "$out/lock: $!\n";
	flock $lock, $alone ? LOCK_EX : LOCK_SH;
	unlink $log;
	{
		my $cwd = Cwd::getcwd();
		chdir $tree or die "$tree: $!\n";
		# freed memory is overwritten, so that its use shows: mallopt(3)
		local @ENV{qw(PORTSHUNT PEER TWIN WAYS_TOOL ASKER O TEST_TIMEOUT MALLOC_PERTURB_)} =
			((map { "$tree/build/$_" } qw(portshunt tests/peer tests/twin tests/ways tests/asker)),
			'build', $seconds + 60, 165);
		$status = run_quietly($log, 'timeout', '--foreground', '-k', '5', $seconds,
			'unshare', '--net', '--pid', '--mount', '--ipc', '--fork', '--kill-child',
			'--mount-proc', 'bash', '-c', $INSIDE, 'inside', $MEMORY_KIB, @command);
		chdir $cwd;
	}
	close $lock;
	$lines = slurp($log) // '';
	return 'timeout' if $status >> 8 == 124 || $status >> 8 == 137 || $status & 127;
	return 'red' if $status;
	return $lines =~ /^ok (?!.*# *skip)/mi ? 'green' : 'skipped';
}

sub build {
	my ($tree, $log, @tests) = @_;
	my @programs = grep { m{^build/} } map { s/:.*//r } @tests;

	return run_quietly($log, 'timeout', '--foreground', '600', 'make', '-C', $tree, 'O=build',
		'all', @programs) == 0;
}

# ---- faults, several at a time ----------------------------------------------------------

my %running; # process => [item, job, what it writes to]

# work ITEMS, FUNCTION - calls it with each and the tree of its job, in processes of their own.
# It returns what belongs behind the key in the results.
sub work {
	my ($items, $function) = @_;
	my @free = 1 .. $jobs;
	my @left = @$items;

	while (@left || %running) {
		if (@left && @free && !($minutes && time - $began > 60 * $minutes)) {
			my ($item, $job) = (shift @left, shift @free);
			pipe my $in, my $to or die "pipe: $!\n";
			my $pid = fork // die "fork: $!\n";
			if (!$pid) {
				close $in;
				setpgrp;
				$SIG{INT} = $SIG{TERM} = 'DEFAULT';
				print $to join("\t", map { s/[\t\n]/ /gr } $function->($item, "$out/job-$job"));
				close $to;
				_exit(0);
			}
			close $to;
			$running{$pid} = [$item, $job, $in];
			next;
		}
		last unless %running;
		my $pid = waitpid -1, 0;
		my ($item, $job, $in) = @{delete $running{$pid} // next};
		my @result = split /\t/, <$in> // die("a job has failed\n"), -1;
		push @free, $job;
		load_results(); # what it has found out besides
		note($item->{key}, @result);
		printf "%-12s %5.1f s  %s%s\n", $result[0], $result[1], $item->{title},
			$result[2] eq '' ? '' : ": $result[2]";
	}
}

sub item_without {
	my ($test) = @_;

	return { test => $test, key => 'without ' . test_key($test), title => "without a fault: $test" };
}

sub log_of {
	my ($item) = @_;

	return "$out/log/" . substr($item->{key}, -12);
}

# try_without ITEM, TREE - run its test on the sources as they are.
sub try_without {
	my ($item, $tree) = @_;
	my ($test, $log, $t) = ($item->{test}, log_of($item), time);
	my $result;

	return ('broken build', time - $t, $log) unless build($tree, $log, $test);
	$t = time;
	$result = run_test($tree, $test, $TEST_SECONDS, $log);
	return ($result, time - $t, $result eq 'green' ? '' : $log);
}

# A test that is red without the fault as well says nothing of it. Most of e2e are never red: they
# are tried without a fault when they are.
sub is_green_without {
	my ($test, $tree) = @_;
	my $item = item_without($test);

	note($item->{key}, try_without($item, $tree)) unless $known{$item->{key}};
	return $known{$item->{key}}[0] eq 'green';
}

sub apply {
	my ($e, $tree) = @_;
	my $path = "$tree/$e->{file}";
	my $source = slurp($path);

	substr($source, $e->{at}, length $e->{old}) = $e->{new};
	open my $f, '>', $path or die "$path: $!\n";
	print $f $source;
	close $f;
}

sub try_fault {
	my ($item, $tree) = @_;
	my ($e, $log, $t) = ($item->{entry}, log_of($item), time);
	my ($status, $text) = ('survived', '');

	apply($e, $tree);
	($status, $text) = ('broken build', $log) unless build($tree, $log, @{$e->{tests}});
	for my $test ($status eq 'survived' ? @{$e->{tests}} : ()) {
		my $without = $known{item_without($test)->{key}};
		if ($without && $without->[0] ne 'green') {
			$text = $test;
			next;
		}
		my $seconds = $without ? int(3 * $without->[1]) + $FAULT_SECONDS : $UNKNOWN_SECONDS;
		my $r = run_test($tree, $test, $seconds, $log);

		next if $r eq 'green' || $r eq 'skipped';
		restore($tree, $e->{file}, $t - 1);
		($status, $text) = ($r eq 'red' ? 'killed' : $r, $test);
		$status = 'bad test' unless is_green_without($test, $tree);
		last;
	}
	restore($tree, $e->{file}, $t - 1);
	$status = 'bad test' if $status eq 'survived' && $text ne '';
	return ($status, time - $t, $text);
}

mkdir $out;
mkdir "$out/log";
$out = abs_path($out);
load_results();
my @chosen = grep { title($_) =~ /$only/ } @all;
my @faults = grep { !$_->{stale} && !$_->{reason} } @chosen;
$_->{key} = key_of($_) for @faults;
my @due = grep { !$known{$_->{key}} } @faults;
# the cheap ones first
@due = ((grep { $_->{tests}[0] =~ /^build/ } @due), grep { $_->{tests}[0] !~ /^build/ } @due);

if (@due) {
	my %programs;

	$SIG{INT} = $SIG{TERM} = sub { kill TERM => -$_ for keys %running; exit 130 };
	make_pristine("$out/pristine");
	for my $job (1 .. $jobs) {
		run_quietly('/dev/null', 'rm', '-rf', "$out/job-$job");
		run_quietly('/dev/null', 'cp', '-a', "$out/pristine", "$out/job-$job") == 0
			or die "cannot copy the tree to $out/job-$job\n";
	}
	$programs{$_} = 1 for grep { /^build/ } map { @{$_->{tests}} } @due;
	work([grep { !$known{$_->{key}} } map { item_without($_) } sort keys %programs], \&try_without);
	for my $job (1 .. $jobs) {
		unlink "$out/job-$job/build/portshunt",
			grep { -f && -x } glob "$out/job-$job/build/tests/*/*";
	}
	work([map { { entry => $_, key => $_->{key}, title => title($_) } } @due], \&try_fault);
}

# ---- the summary ------------------------------------------------------------------------

my (%folders, @failed);
my $left = 0;
for my $e (@chosen) {
	my $folder = $folders{dirname $e->{file}} //= {};
	my $status = $e->{stale} ? 'stale' : $e->{reason} ? 'equivalent' :
		$known{$e->{key}} ? $known{$e->{key}}[0] : 'left';

	$folder->{$status}++;
	$left += $status eq 'left';
	push @failed, [$status, title($e), $e->{stale} // $known{$e->{key} // ''}[2] // '']
		unless $status =~ /^(killed|timeout|equivalent|left)$/;
}
print "\n";
printf "%-13s %s%s\n", $_->[0], $_->[1], $_->[2] eq '' ? '' : ": $_->[2]" for @failed;
for my $name (sort keys %folders) {
	my %n = %{$folders{$name}};
	my $noticed = ($n{killed} // 0) + ($n{timeout} // 0);
	my $tried = $noticed + ($n{survived} // 0);

	printf "%-32s %3d of %3d noticed%s%s\n", $name, $noticed, $tried,
		$tried ? sprintf(' (%d %%)', 100 * $noticed / $tried) : '',
		join '', map { $n{$_} ? ", $n{$_} $_" : '' }
			'equivalent', 'stale', 'broken build', 'bad test', 'left';
}
print "\n$left are left: run it again\n" if $left;
exit(@failed || $left ? 1 : 0);
