# SPDX-License-Identifier: Apache-2.0
# RootlessKit's API (docs/api.md there), as much of it as docker-proxy asks for: every request
# for /v1/info is answered with TEXT. The socket is there once it listens.
#
# rootlesskit.pl SOCKET TEXT [STATUS]
#
# TEXT "@drip" is a byte every tenth of a second, without end.
use strict;
use warnings;
use IO::Socket::UNIX;

# a shell has its background processes ignore it
$SIG{INT} = 'DEFAULT';
my ($path, $text, $status) = (@ARGV, '200 OK');
# a name of its own may be too long for an address
my $dir = $path =~ s{/[^/]*$}{}r;
chdir $dir or die "$dir: $!";
my $listener = IO::Socket::UNIX->new(Local => 'new.sock', Listen => 5) or die "$path: $!";
rename 'new.sock', $path or die "$path: $!";
while (my $client = $listener->accept) {
	my $request = <$client> // '';
	while (defined(my $line = <$client>)) {
		last if $line eq "\r\n";
	}
	my $found = $request =~ m{^GET /v1/info HTTP/1\.0\r\n$};
	print $client $found ? "HTTP/1.0 $status\r\nContent-Type: application/json\r\n\r\n$text"
		: "HTTP/1.0 404 Not Found\r\n\r\n404 page not found\n";
	if ($found && $text eq '@drip') {
		$client->autoflush;
		local $SIG{PIPE} = 'IGNORE';
		select undef, undef, undef, 0.1 while print $client ' ';
	}
	close $client;
}
