# SPDX-License-Identifier: Apache-2.0
# Uploads to a real nginx on kernels whose FIONREAD is right (see debian_auto.bats): what nginx sends
# is redirected, and what it asks for and reads on the same socket comes, on the shunt and by `auto`.

load ../servers/servers
load ../servers/nginx

setup_file() {
	[ "${BPF:-1}" != 0 ] || skip "built without BPF"
	need nginx curl
	e2e_setup_file
	mkdir "$E2E_DIR/www"
	head -c $MB /dev/urandom >"$E2E_DIR/www/large"
}

setup() {
	nginx_setup
}

teardown() {
	nginx_teardown
}

teardown_file() {
	e2e_teardown_file
}

# captured yes|no - has a socket of nginx been, so far?
captured() {
	[ "$(grep -q "captured: the container's socket" "$dir/portshunt.err" && echo yes || echo no)" = "$1" ]
}

@test "uploads of 2 MB at once, and one on a connection whose socket in nginx is captured" {
	for datapath in shunt auto; do
		portshunt_start attach --netns "$ns" --child-ip 127.0.0.1 --datapath $datapath \
			--log-level debug -p 80
		grep -qx "portshunt: datapath shunt" "$dir/portshunt.err"
		[ -z "$(grep warning: "$dir/portshunt.err")" ]
		url 80 put
		put 2 2 "$url"
		captured no
		put_after_get 20 2 "$url"
		captured yes
		portshunt_stop
		[ "$status" = 0 ]
	done
}
