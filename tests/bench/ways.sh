# SPDX-License-Identifier: Apache-2.0
# The ways to the server that are compared: is it here, which version is it, how it starts.
# Sourced by bench.sh.
#
# An instance is one namespace with a server and a forwarder; its key is the way, with a word
# after it when it is made for one measurement. What is known of an instance, by key:
declare -A ns_of client_of server_of forwarder_of first_of at_of
# the namespace's name; the path of the one clients come from, empty for the host's; the pids;
# the first port on the host; "ADDR PORT" to connect to.

all_ways="native veth portshunt rootlessport pasta docker-proxy haproxy socat slirp4netns podman podman:portshunt"
declare -A program=()
namespaces=0

# The container's last port; a namespace of its own has them all.
to_last=30000

# An address for this run alone: all of 127.0.0.0/8 is the host's.
addr=127.$((1 + RANDOM % 250)).$((RANDOM % 256)).$((1 + RANDOM % 250))

# rootlessport_find - prints podman's own, /usr/libexec from podman 5 on
rootlessport_find() {
	local dir

	for dir in /usr/libexec/podman /usr/lib/podman; do
		if [ -x "$dir/rootlessport" ]; then echo "$dir/rootlessport" && return; fi
	done
}

# way_find WAY - sets program[WAY]; or false, with the reason in why.
way_find() {
	local -A package=([rootlessport]=podman [podman:portshunt]=podman [pasta]=passt [docker-proxy]=docker.io)

	case $1 in
	native | veth) return 0 ;;
	portshunt=*) program[$1]=${1#*=} ;;
	portshunt | portshunt:*) program[$1]=$portshunt ;;
	rootlessport) program[$1]=$(rootlessport_find) ;;
	podman | podman:portshunt) program[$1]=$(command -v podman) || true ;;
	pasta | docker-proxy | haproxy | socat | slirp4netns)
		program[$1]=$(PATH=$PATH:/usr/sbin:/usr/libexec/docker command -v "$1") || true
		;;
	*) why="no such way; there are: $all_ways" && return 1 ;;
	esac
	why="not installed, package ${package[$1]:-$1}"
	[ -x "${program[$1]}" ]
}

way_version() {
	case $1 in
	native) echo "a server on the host's loopback; no forwarder" ;;
	veth) echo "two namespaces joined by a veth pair; no forwarder" ;;
	portshunt*) "${program[$1]}" --version ;;
	podman:portshunt) echo "$(way_version podman) with $("$portshunt" --version) as its helper" ;;
	*) dpkg-query -S "${program[$1]}" 2>/dev/null | sed 's/:.*//' |
		xargs -r dpkg-query -W -f '${Package} ${Version}\n' | grep . ||
		echo "${program[$1]}, version unknown" ;;
	esac
}

complaint() {
	tr -s '\n' ' ' <"$dir/${ns_of[$1]}.log" | tail -c 300
}

# start_WAY starts the forwarder and sets pid. Given are ns, netns (its path), addr, first and
# last (listen there), to_first and to_last (the container's ports), n, log, client; and udp
# when datagrams are forwarded too.

start_portshunt() {
	local datapath='' spec="$addr:$first:$to_first"

	case $way in *:*) datapath=${way#*:} ;; esac
	if [ "$n" -gt 1 ]; then spec="$addr:$first-$last:$to_first-$to_last"; fi
	spawn "$log" "${program[$way]}" attach --netns "$netns" --child-ip 127.0.0.1 \
		--log-level warn ${datapath:+--datapath "$datapath"} -p "$spec/tcp${udp:+,udp}"
}

# Its exit-fd never ends: a signal ends it.
start_rootlessport() {
	printf '{"Mappings":[{"host_ip":"%s","host_port":%d,"container_port":%d,"range":%d,' \
		"$addr" "$first" "$to_first" "$n" >"$dir/$ns.json"
	printf '"protocol":"%s"}],"NetNSPath":"%s","ExitFD":3,"ReadyFD":4,"TmpDir":"%s",' \
		"tcp${udp:+,udp}" "$netns" "$dir" >>"$dir/$ns.json"
	printf '"ChildIP":"","ContainerID":"%s","RootlessCNI":false}' "$ns" >>"$dir/$ns.json"
	spawn "$log" "${program[$way]}" <"$dir/$ns.json" 3<&"$silence" 4>/dev/null
}

# As root it would become nobody, who cannot join root's namespaces. What comes from the
# host's loopback is spliced to the namespace's; since 2024_10_30 only where that is asked for.
start_pasta() {
	local udp_ports=none lo=()

	if "${program[$way]}" --help 2>&1 | grep -q -e --host-lo-to-ns-lo; then
		lo=(--host-lo-to-ns-lo)
	fi
	if [ "$udp" ]; then udp_ports=$addr/$first:$to_first; fi
	spawn "$log" "${program[$way]}" --foreground --runas 0 --ipv4-only --netns "$netns" "${lo[@]}" \
		--tcp-ports "$addr/$first-$last:$to_first-$to_last" \
		--udp-ports "$udp_ports" --tcp-ns none --udp-ns none
}

# It runs where the client is, as on a host with a bridge; the container is a veth away. It is
# a process for each protocol.
start_docker-proxy() {
	local args="-host-ip $addr -host-port $first -container-ip 192.0.2.2 -container-port $to_first"

	spawn "$log" nsenter --net="$client" bash -c '
		if [ "$1" ]; then "$0" -proto udp $2 & fi
		exec "$0" -proto tcp $2' "${program[$way]}" "$udp" "$args" 3>/dev/null
}

start_haproxy() {
	cat >"$dir/$ns.cfg" <<-END
		defaults
		    mode tcp
		    option splice-auto
		    timeout connect 5s
		    timeout client 10m
		    timeout server 10m
		listen bench
		    bind $addr:$first-$last
		    server container 127.0.0.1:$(printf %+d $((to_first - first))) namespace $ns
	END
	spawn "$log" "${program[$way]}" -db -q -f "$dir/$ns.cfg"
}

# It is two processes a connection, and waits half a second after the first end of file.
start_socat() {
	spawn "$log" "${program[$way]}" \
		"TCP-LISTEN:$first,bind=$addr,fork,reuseaddr,nodelay,backlog=4096" \
		"EXEC:ip netns exec $ns ${program[$way]} STDIO 'TCP:127.0.0.1:$to_first,nodelay'"
}

# Its sandbox unmounts what is below /run, and that of all who share those mounts.
start_slirp4netns() {
	local i proto socket=$dir/$ns.sock

	spawn "$log" unshare --mount "${program[$way]}" --configure --mtu=65520 --disable-host-loopback \
		--enable-sandbox --enable-seccomp --api-socket "$socket" --netns-type=path "$netns" tap0
	until_true 5 test -S "$socket" || return
	for proto in tcp ${udp:+udp}; do
		for ((i = 0; i < n; i++)); do
			printf '{"execute":"add_hostfwd","arguments":{"proto":"%s","host_addr":"%s",' \
				$proto "$addr"
			printf '"host_port":%d,"guest_port":%d}}\n' $((first + i)) $((to_first + i))
		done
	done | perl -MIO::Socket::UNIX -e '
		while (<STDIN>) {
			my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$ARGV[0]: $!\n";
			print $s $_;
			shutdown($s, 1);
			my $answer = <$s> // "";
			die "add_hostfwd: $answer\n" unless $answer =~ /return/;
		}' "$socket" >>"$log" 2>&1
}

# Real podman with its own helper or with ours, as root: it makes the namespace, and the server
# is its container. All of it is in a PID namespace whose init is podman, and ends with that.
start_podman() {
	local helpers root=$dir/$ns.root lib volumes=()

	helpers=$(dirname "$(rootlessport_find)")
	mkdir "$root" "$dir/$ns.helpers"
	if [ "$way" = podman:portshunt ]; then
		helpers=$dir/$ns.helpers
		ln -s "$(realpath "$portshunt")" "$helpers/rootlessport"
	fi
	for lib in /usr /lib*; do volumes+=(-v "$lib:$lib:ro"); done
	spawn "$log" env CONTAINERS_HELPER_BINARY_DIR="$helpers" \
		unshare --pid --fork --kill-child --mount --mount-proc podman --storage-driver vfs \
		--root "$dir/$ns.storage" --runroot "$dir/$ns.run" --tmpdir "$dir/$ns.tmp" \
		--cgroup-manager=cgroupfs run --cgroup-parent "$prefix" --runtime runc \
		--security-opt seccomp=unconfined --ulimit nofile=4096:4096 --ulimit nproc=1000:1000 \
		--network slirp4netns -p "$addr:$first:$to_first" "${volumes[@]}" -v "$peer:/peer:ro" \
		--rootfs "$root" /peer server bench --port "$to_last" --deadline 0 <&"$silence"
}

# A second namespace, where the client is; the server's is 192.0.2.2 to it.
join_by_veth() {
	namespace_new "$1-client"
	ip -n "$1" link add veth0 type veth peer name veth0 netns "$1-client"
	ip -n "$1" addr add 192.0.2.2/24 dev veth0
	ip -n "$1-client" addr add 192.0.2.1/24 dev veth0
	ip -n "$1" link set veth0 up
	ip -n "$1-client" link set veth0 up
}

# instance_new KEY MODE... - the namespace and in it a `peer server MODE...`.
instance_new() {
	local key=$1 way=${1%% *} ns=$prefix-$((++namespaces)) pid port=$to_last
	local where=(--netns "/run/netns/$ns" -4)

	shift
	ns_of[$key]=$ns client_of[$key]='' forwarder_of[$key]='' server_of[$key]=''
	case $way in
	podman*) return 0 ;;
	native) port=$(free_ports 1) where=(--bind "$addr") ;;
	*) namespace_new "$ns" ;;
	esac
	case $way in
	veth | docker-proxy)
		join_by_veth "$ns"
		client_of[$key]=/run/netns/$ns-client
		;;
	esac
	case $way in
	native) at_of[$key]="$addr $port" ;;
	veth) at_of[$key]="192.0.2.2 $port" ;;
	esac
	: >"$dir/$ns.ready"
	spawn "$dir/$ns.log" "$peer" server "$@" "${where[@]}" --port "$port" --deadline 0 \
		--ready-fd 3 3>"$dir/$ns.ready" <&"$silence"
	server_of[$key]=$pid
	until_true 5 test -s "$dir/$ns.ready"
}

# instance_ports KEY N - chooses the N ports on the host; clients go to the last.
instance_ports() {
	case $1 in
	native* | veth*) return 0 ;;
	esac
	first_of[$1]=$(free_ports "$2") || return
	at_of[$1]="$addr $((${first_of[$1]} + $2 - 1))"
}

# instance_forward KEY N - starts the forwarder. Its rule has N ports, the last is the server's.
# A way's own instance, which the bench server is behind, forwards datagrams too.
instance_forward() {
	local way=${1%% *} n=$2 ns=${ns_of[$1]} client=${client_of[$1]} pid=''
	local netns=/run/netns/$ns log=$dir/$ns.log first=${first_of[$1]:-}
	local last=$((first + n - 1)) to_first=$((to_last - n + 1)) udp=''

	if [ "$1" = "$way" ]; then udp=yes; fi
	case $way in
	native | veth) return 0 ;;
	esac
	"start_${way%%[:=]*}" || { forwarder_of[$1]=$pid && return 1; }
	forwarder_of[$1]=$pid
}

# instance_fate KEY - says so when its forwarder is not there any more.
instance_fate() {
	local pid=${forwarder_of[$1]}

	if [ -n "$pid" ] && all_gone "$pid"; then echo "; the forwarder has ended by itself"; fi
}

# instance_down KEY - ends it and removes what it had. Fine for one that never came up.
instance_down() {
	local ns

	end ${forwarder_of[$1]:-}
	end ${server_of[$1]:-}
	for ns in "${ns_of[$1]}" "${ns_of[$1]}-client"; do
		if [ -e "/run/netns/$ns" ]; then ip netns del "$ns"; fi
	done
	rm -rf "$dir/${ns_of[$1]}."*
}

# client_command KEY MODE... - sets command, a `peer client MODE...` of the instance.
client_command() {
	local key=$1 netns=${client_of[$1]}

	shift
	command=("$peer" client "$@" ${netns:+--netns "$netns"} ${at_of[$key]})
}

client() {
	local command

	client_command "$@"
	"${command[@]}"
}

answers_bench() {
	client "$1" rr --seconds 0.02 --deadline 5 >/dev/null 2>&1
}

# way_up WAY - its instance for the loads of the bench server, working.
way_up() {
	instance_new "$1" bench && instance_ports "$1" 1 && instance_forward "$1" 1 &&
		until_true 5 answers_bench "$1"
}
