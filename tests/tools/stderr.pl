#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Run a command whose standard error is full, and that nobody reads for now.
#
#	stderr.pl KIND FILE CMD ARG...
#
# KIND is pipe, fifo, reader (a reader that is stopped), terminal (its output stopped by ^S), socket,
# file (FILE itself, until its file system is full), closed, or free, which is FILE as it is. Of all
# but the last three, a process reads what comes into FILE, once it gets SIGUSR1; its pid is in
# FILE.pid. What filled them is NUL bytes, which it leaves out.
use strict;
use warnings;
use Fcntl;
use POSIX ();
use Socket;

use constant { TIOCSPTLCK => 0x40045431, TIOCGPTN => 0x80045430 };

my ($kind, $file, @cmd) = @ARGV;
my ($reader, $writer);

sub nonblocking {
	my ($fh, $on) = @_;
	my $flags = fcntl $fh, F_GETFL, 0;

	fcntl $fh, F_SETFL, $on ? $flags | O_NONBLOCK : $flags & ~O_NONBLOCK;
}

# byte by byte at the end, so that no line has room
sub fill {
	my ($fh) = @_;

	nonblocking($fh, 1);
	for my $size (4096, 1) {
		1 while syswrite $fh, "\0" x $size;
	}
	nonblocking($fh, 0);
}

sub terminal {
	sysopen $reader, '/dev/ptmx', O_RDWR | O_NOCTTY or die "/dev/ptmx: $!";
	my $number = pack 'i', 0;
	ioctl $reader, TIOCSPTLCK, $number or die "unlock: $!";
	ioctl $reader, TIOCGPTN, $number or die "number: $!";
	sysopen $writer, '/dev/pts/' . unpack('i', $number), O_RDWR | O_NOCTTY or die "pts: $!";
	# the terminal itself takes ^S, and the kernel is not done with it when write returns
	syswrite $reader, "\x13";
	nonblocking($writer, 1);
	select undef, undef, undef, 0.001 while syswrite $writer, "\0";
	nonblocking($writer, 0);
}

if ($kind eq 'pipe' || $kind eq 'reader') {
	pipe $reader, $writer or die "pipe: $!";
} elsif ($kind eq 'fifo') {
	POSIX::mkfifo("$file.fifo", 0600) or die "mkfifo: $!";
	sysopen $reader, "$file.fifo", O_RDWR or die "$file.fifo: $!";
	sysopen $writer, "$file.fifo", O_WRONLY or die "$file.fifo: $!";
} elsif ($kind eq 'terminal') {
	terminal();
} elsif ($kind eq 'socket') {
	socketpair $reader, $writer, AF_UNIX, SOCK_STREAM, 0 or die "socketpair: $!";
} else {
	sysopen $writer, $file, O_WRONLY | O_CREAT | O_APPEND or die "$file: $!";
}
fill($writer) unless $kind eq 'terminal' || $kind eq 'closed' || $kind eq 'free';

# What is read, from when on it may be.
sub read_later {
	my $may = 0;

	$SIG{USR1} = sub { $may = 1 };
	open my $out, '>>', $file or die "$file: $!";
	$out->autoflush(1);
	open my $pid, '>', "$file.pid.new" or die "$file.pid: $!";
	print $pid $$;
	close $pid;
	if ($kind eq 'reader') {
		rename "$file.pid.new", "$file.pid";
		kill STOP => $$;
	} else {
		my $set = POSIX::SigSet->new(POSIX::SIGUSR1);
		POSIX::sigprocmask(POSIX::SIG_BLOCK, $set);
		rename "$file.pid.new", "$file.pid";
		POSIX::sigsuspend(POSIX::SigSet->new) until $may;
	}
	# of a terminal: ^Q
	syswrite $reader, "\x11" if $kind eq 'terminal';
	while (sysread $reader, my $text, 65536) {
		$text =~ tr/\0\r//d;
		print $out $text;
	}
	exit 0;
}

if ($reader) {
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		close $writer;
		# others wait for the end of some of these
		POSIX::close($_) for grep { $_ != fileno $reader } 0 .. 1, 3 .. 20;
		read_later();
	}
	close $reader;
	select undef, undef, undef, 0.001 until -s "$file.pid";
	if ($kind eq 'reader') {
		waitpid $pid, POSIX::WUNTRACED;
	}
}
if ($kind eq 'closed') {
	POSIX::close(2);
} else {
	POSIX::dup2(fileno $writer, 2);
}
exec @cmd or POSIX::_exit(127);
