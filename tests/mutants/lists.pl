# SPDX-License-Identifier: Apache-2.0
# The lists of faults, and how they fit the sources; for run.pl, which says what they look like.
use strict;
use warnings;

sub slurp {
	my ($name) = @_;

	open my $f, '<', $name or return undef;
	local $/;
	return scalar <$f>;
}

sub read_list {
	my ($name) = @_;
	my ($file, @default, @entries);

	for (split /\n\s*\n/, slurp($name)) {
		my %e;
		for (split /\n/) {
			next if /^#/;
			if (/^@ (.+)/) { ($file, @default) = $1; $e{is_head} = 1; }
			elsif (/^in (\w+)$/) { $e{in} = $1; }
			elsif (/^- (.+)/) { $e{old} = $1; }
			elsif (/^\+ ?(.*)/) { $e{new} = $1; }
			elsif (/^! (.+)/) { push @{$e{tests}}, $1; }
			elsif (/^= (.+)/) { $e{reason} = $1; }
			elsif (!defined $e{name}) { $e{name} = $_; }
			else { die "$name: what is this? $_\n"; }
		}
		if ($e{is_head}) {
			@default = @{$e{tests} // []};
			next;
		}
		next unless %e;
		defined $e{$_} or die "$name: an entry lacks $_: $e{name}\n" for qw(name old new);
		push @entries, { tests => [@default], %e, file => $file };
	}
	return @entries;
}

# locate ENTRY - sets the offset of its text, and the line; or why it does not fit.
sub locate {
	my ($e) = @_;
	my $text = slurp($e->{file}) // return $e->{stale} = 'no such file';
	my ($from, $to) = (0, length $text);
	my @at;

	if ($e->{in}) {
		return $e->{stale} = "no function $e->{in}"
			unless $text =~ /^\w[^;\n]*\b\Q$e->{in}\E\((?![^\n]*;$)/m;
		$from = $-[0];
		$to = index $text, "\n}", $from;
	}
	for (my $i = $from; ($i = index $text, $e->{old}, $i) >= 0 && $i < $to; $i++) {
		push @at, $i;
	}
	return $e->{stale} = 'its text is there ' . @at . ' times' if @at != 1;
	$e->{at} = $at[0];
	$e->{line} = 1 + (substr($text, 0, $at[0]) =~ tr/\n//);
}

# read_lists - all entries: name, file, old, new, tests, and in or reason; and where they are,
# at and line, or why they do not fit, stale.
sub read_lists {
	my @all = map { read_list($_) } sort glob 'tests/mutants/*.txt';

	locate($_) for @all;
	return @all;
}

# test_source TEST - the file that it is made of.
sub test_source {
	my ($test) = @_;

	$test =~ s/:.*//;
	$test =~ s{^build/(tests/fuzz/.*)}{$1_fuzz.c} or $test =~ s{^build/(.*)}{$1.c};
	return $test;
}

# test_fault TEST - why it cannot be run, or undef.
sub test_fault {
	my ($test) = @_;
	my ($file, $regex) = split /:/, $test, 2;
	my $text = slurp(test_source($test)) // return "$test: no such test";
	my @names = $text =~ /^\@test "((?:[^"\\]|\\.)*)"/mg;

	return "$test: no test has that name" if defined $regex && !grep { /$regex/ } @names;
	return undef;
}

sub title { # FILE:LINE: NAME
	my ($e) = @_;

	return "$e->{file}:" . ($e->{line} // '?') . ": $e->{name}";
}

1;
