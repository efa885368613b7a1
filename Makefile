# SPDX-License-Identifier: Apache-2.0
# `make` builds build/portshunt; `make help` lists the targets and variables.

VERSION := 0.1.0
O ?= build
PREFIX ?= /usr/local
JOBS ?= 2
FUZZ_SECONDS ?= 60

BPF ?= 1
export BPF
BPF_ON := $(filter-out 0,$(BPF))
VMLINUX_BTF ?= /sys/kernel/btf/vmlinux

CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wundef -Wno-unused-parameter $(if $(STRICT),-Werror)
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)

# Hardening, as far as this compiler and C library know it without a warning. What the caller's own
# CFLAGS and CPPFLAGS say comes after it and wins; a sanitizer does better than _FORTIFY_SOURCE.
known = $(shell $(CC) $(filter-out -W%,$(CPPFLAGS) $(CFLAGS)) $1 -Werror -include stdio.h \
	-x c -c -o /dev/null /dev/null 2>/dev/null && echo '$1')
fortify = $(call known,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$1)
HARDEN := $(call known,-fPIE) $(call known,-fstack-protector-strong) $(call known,-fstack-clash-protection) \
	$(or $(call known,-fcf-protection),$(call known,-mbranch-protection=standard)) \
	$(if $(SAN)$(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,$(or $(call fortify,3),$(call fortify,2)))

CPPFLAGS_ALL := -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Iuser -Iinclude -Itests $(if $(BPF_ON),-I$(O)) -MMD -MP $(CPPFLAGS)
CFLAGS_ALL := -std=gnu11 -fno-strict-aliasing $(WARN) $(HARDEN) $(CFLAGS) $(SANITIZE)
LDFLAGS_ALL := $(if $(filter -static,$(LDFLAGS)),,-pie) -Wl,--as-needed,-z,relro,-z,now,-z,noexecstack $(LDFLAGS)
LDLIBS_ALL := $(if $(BPF_ON),-lbpf) -ljson-c -lcap-ng -lseccomp $(LDLIBS)
Q := $(if $(V),,@)

# What is built: the program, and the tests by the folder that they are in.
SRCS := $(sort $(wildcard user/*.c user/*/*.c user/*/*/*.c))
SRCS := $(filter-out $(addprefix user/datapath/,$(if $(BPF_ON),shunt_off.c sockmap_off.c probe_off.c,shunt.c shunt_load.c sockmap.c probe_shunt.c probe_sockmap.c probe_bpf.c)),$(SRCS))
SKELS := $(patsubst bpf/%.bpf.c,$(O)/bpf/%.lskel.h,$(wildcard bpf/*.bpf.c))
OBJS := $(SRCS:%.c=$(O)/%.o)
LIB_OBJS := $(filter-out $(O)/user/main.o,$(OBJS))
UNIT := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/*.c))
BPF_TESTS := $(if $(BPF_ON),$(patsubst %.c,$(O)/%,$(wildcard tests/bpf/*.c)))
KERNEL := $(patsubst %.c,$(O)/%,$(wildcard tests/kernel/*.c))
FUZZ := $(patsubst %_fuzz.c,$(O)/%,$(wildcard tests/fuzz/*_fuzz.c))
PEER_OBJS := $(patsubst %.c,$(O)/%.o,$(wildcard tests/tools/peer/*.c))
TWIN_OBJS := $(patsubst %.c,$(O)/%.o,$(wildcard tests/tools/twin/*.c))
WAYS_OBJS := $(patsubst %.c,$(O)/%.o,$(wildcard tests/tools/ways/*.c))
ASKER_OBJS := $(patsubst %.c,$(O)/%.o,$(wildcard tests/tools/asker/*.c))
TEST_OBJS := $(PEER_OBJS) $(TWIN_OBJS) $(WAYS_OBJS) $(ASKER_OBJS) $(UNIT:%=%.o) $(KERNEL:%=%.o) $(BPF_TESTS:%=%.o) $(FUZZ:%=%_fuzz.o) $(O)/tests/fuzz/replay.o
PEER := $(if $(PEER_OBJS),$(O)/tests/peer)
TWIN := $(if $(TWIN_OBJS),$(O)/tests/twin)
WAYS := $(if $(WAYS_OBJS),$(O)/tests/ways)
ASKER := $(if $(ASKER_OBJS),$(O)/tests/asker)
TESTS := $(UNIT) $(KERNEL) $(BPF_TESTS) $(FUZZ) $(sort $(wildcard tests/check/*.sh tests/e2e/*.sh tests/e2e/*.bats))
# What check-kernels runs, whatever is there of it: a guest without KVM is slow.
ISOLATION_TESTS := $(filter %/isolation_filter %/isolation_landlock,$(UNIT))
KERNEL_TESTS := $(KERNEL) $(BPF_TESTS) $(ISOLATION_TESTS) $(sort $(wildcard $(patsubst \
	%,tests/e2e/%.bats,auto auto_shunt doctor fionread isolation shunt_ends sockmap_ends) \
	tests/kernels/tcp_*.sh tests/kernels/debian_*.bats)) tests/kernels/log.sh
# A server's bytes are checked by NAME.bats, its rate is measured by rate/NAME.bash, where there are
# such files; the summary names what could not be measured.
SERVER_GROUPS := $(sort $(basename $(notdir $(wildcard tests/servers/*.bats tests/servers/rate/*.bash))))
SERVERS ?= $(SERVER_GROUPS)
SERVER_TESTS = $(wildcard $(SERVERS:%=tests/servers/%.bats))
SERVER_RATES = $(wildcard $(SERVERS:%=tests/servers/rate/%.bash))
# Names that other programs start it under: user/main.c.
DROP_INS := docker-proxy rootlessport
MAN := $(patsubst user/man/%.scd,$(O)/man/%.gz,$(wildcard user/man/*.scd))

all: $(O)/portshunt ## build the program

$(O)/portshunt: $(OBJS)
	@echo "  LD   $@"
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

$(O)/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c -o $@ $<

# BPF: one object for all kernels (CO-RE), embedded as a light skeleton: the kernel relocates it
# in 4 ms, where libbpf takes 20 and a megabyte to read all of the kernel's types.
$(O)/vmlinux/vmlinux.h:
	@mkdir -p $(@D)
	@command -v clang >/dev/null && command -v bpftool >/dev/null || \
		{ echo "clang and bpftool are missing: sudo make deps, or make BPF=0" >&2; exit 1; }
	@[ -r $(or $(VMLINUX_H),$(VMLINUX_BTF)) ] || \
		{ echo "cannot read $(or $(VMLINUX_H),$(VMLINUX_BTF)): name the kernel's types by VMLINUX_BTF= or VMLINUX_H=, or make BPF=0" >&2; exit 1; }
	@echo "  BTF  $@"
	$(Q)$(if $(VMLINUX_H),cat $(VMLINUX_H),bpftool btf dump file $(VMLINUX_BTF) format c) >$@.tmp 2>$@.log || \
		{ cat $@.log >&2; exit 1; }
	$(Q)mv $@.tmp $@

$(O)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.bpf.c bpf/*.h include/*_abi.h) $(O)/vmlinux/vmlinux.h
	@mkdir -p $(@D)
	@echo "  BPF  $<"
	$(Q)clang -g -O2 -target bpf -mcpu=v3 -Wall -I. -Iinclude -I$(O) -c -o $@ $<

$(O)/bpf/%.lskel.h: $(O)/bpf/%.bpf.o
	$(Q)bpftool gen skeleton -L $< name $*_bpf >$@.tmp && mv $@.tmp $@

$(O)/user/datapath/shunt_load.o $(O)/user/datapath/sockmap.o: $(SKELS)

# Everything is built again when the compiler or its flags change. It is also where a machine
# without the libraries is noticed, before the compiler says so once for each file.
HEADERS := stdio.h json-c/json.h cap-ng.h seccomp.h $(if $(BPF_ON),bpf/bpf.h)
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL)' | cmp -s - $@ || { \
		for h in $(HEADERS); do \
			echo "#include <$$h>" | $(CC) $(CPPFLAGS) -E -x c - >/dev/null 2>&1 || \
				{ echo "$(CC) does not find $$h: sudo make $(if $(BPF_ON),,BPF=0 )deps" >&2; exit 1; }; \
		done; \
		echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL)' >$@; }

$(UNIT): %: %.o $(LIB_OBJS)
$(UNIT): LDLIBS_ALL += -lcmocka
$(KERNEL): %: %.o
$(BPF_TESTS): %: %.o $(LIB_OBJS)
$(KERNEL): LDLIBS_ALL :=
$(FUZZ): %: %_fuzz.o $(O)/tests/fuzz/replay.o $(LIB_OBJS)
$(O)/tests/peer: $(PEER_OBJS) $(filter $(O)/user/base/%,$(OBJS))
$(O)/tests/twin: $(TWIN_OBJS)
$(O)/tests/ways: $(WAYS_OBJS)
$(O)/tests/asker: $(ASKER_OBJS)
$(O)/tests/twin $(O)/tests/ways: LDLIBS_ALL :=
$(O)/tests/asker: LDLIBS_ALL := -lpthread
$(UNIT) $(KERNEL) $(BPF_TESTS) $(FUZZ) $(O)/tests/peer $(O)/tests/twin $(O)/tests/ways $(O)/tests/asker:
	@echo "  LD   $@"
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

# On a fresh machine these three install what they need, build, and run.
check: ## run all tests; STRICT=1: a skipped test or a warning fails
	@tests/tools/deps.sh build run demo test install
	@$(MAKE) --no-print-directory -j$(JOBS) run-check

check-san: ## the same with ASan and UBSan
	@$(MAKE) --no-print-directory check SAN=address,undefined O=$(O)/san

demo: ## publish a web page of a fresh namespace and fetch it
	@tests/tools/deps.sh build run demo
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@PORTSHUNT=$(abspath $(O))/portshunt bash tests/tools/demo.sh

check-servers: ## real servers behind each datapath: their bytes, and their rate; SERVERS="nginx redis"
	@tests/tools/deps.sh build run test $(patsubst %,server-%,$(SERVERS))
	@$(MAKE) --no-print-directory -j$(JOBS) run-servers

check-docker: ## docker-proxy with Debian's dockerd, and beside the original
	@tests/tools/deps.sh build run test docker
	@$(MAKE) --no-print-directory -j$(JOBS) run-docker

check-podman: ## rootlessport, with Debian's podman as root and as an ordinary user
	@tests/tools/deps.sh build run test podman
	@$(MAKE) --no-print-directory -j$(JOBS) run-podman

check-soak: ## 10 GiB each way under churn, 200 stopped readers, 10 000 rules; SOAK_MB=10240, STOPPED_MS=10000
	@tests/tools/deps.sh build run test
	@$(MAKE) --no-print-directory -j$(JOBS) run-soak

check-ways: ## every way to send by its rate and pauses, on the shunt, splice and natively; ONLY=REGEX
	@tests/tools/deps.sh build run test
	@$(MAKE) --no-print-directory -j$(JOBS) run-ways

check-kernels: ## what depends on the kernel, in qemu, KERNELS="6.1 6.12 newest" of Debian's; or KERNEL_DEB=FILE
	@tests/tools/deps.sh build run test kernels
	@$(MAKE) --no-print-directory -j$(JOBS) run-kernels

run-check: $(TWIN) $(WAYS) $(ASKER) $(UNIT) $(KERNEL) $(BPF_TESTS) $(FUZZ)
run-servers: TESTS = $(SERVER_TESTS) $(SERVER_RATES) $(if $(SERVER_RATES),tests/servers/rate_summary.sh)
run-servers: export GROUPS_WANTED = $(basename $(notdir $(SERVER_RATES)))
run-servers: export TEST_TIMEOUT ?= 1800
run-docker: TESTS := $(wildcard tests/docker/*.bats)
run-podman: TESTS := $(wildcard tests/podman/*.bats)
# these are asked for by name: where none of a file's tests can run it has failed
run-docker run-podman run-soak: export NONE_WHOLE := 1
run-servers: export NONE_WHOLE := $(if $(filter command environment,$(origin SERVERS)),1)
run-soak: TESTS := $(wildcard tests/soak/*.bats) tests/e2e/control_churn.bats
run-soak: export CONTROL_CHURN ?= 10000
run-soak: export TEST_TIMEOUT ?= 3600

run-ways: $(WAYS)
run-ways: TESTS := tests/e2e/ways.sh
run-ways: export MATRIX := whole
run-ways: export TEST_TIMEOUT ?= 7200

run-kernels: $(TWIN) $(ASKER) $(KERNEL) $(BPF_TESTS) $(ISOLATION_TESTS)
run-kernels: TESTS := $(KERNEL_TESTS)
run-kernels: RUN := tests/kernels/all.sh
run-kernels: export JOBS := $(JOBS)

RUNS := run-check run-servers run-docker run-podman run-soak run-ways run-kernels
RUN = prove -j$(JOBS) --timer --failures --comments --rules 'seq=tests/{e2e,check,servers,servers/rate,docker,podman,soak}/*' \
	--rules 'par=**' --exec tests/tools/run-test.sh
$(RUNS): export PORTSHUNT = $(abspath $(O))/portshunt
$(RUNS): export PEER = $(abspath $(O))/tests/peer
$(RUNS): export TWIN = $(abspath $(O))/tests/twin
$(RUNS): export WAYS_TOOL = $(abspath $(O))/tests/ways
$(RUNS): export ASKER = $(abspath $(O))/tests/asker
$(RUNS): export O := $(O)
$(RUNS): export STRICT := $(STRICT)
$(RUNS): export SAN := $(SAN)
$(RUNS): export V := $(V)
# deadlines of tests are so many times as long
$(RUNS): export PATIENCE ?= $(if $(SAN),3,1)
$(RUNS): all $(PEER)
	@$(RUN) $(TESTS)

# Not on what `make check` says: a fault that no test notices, or a list that does not fit, fails.
mutants: ## try one-line faults, tests/mutants/*.txt: which does no test notice? ONLY=REGEX MINUTES=N
	@tests/tools/deps.sh build run test
	@tests/mutants/run.pl $(O)/mutants --only '$(ONLY)' --minutes '$(or $(MINUTES),0)' \
		--jobs $(if $(filter file,$(origin JOBS)),$(shell nproc),$(JOBS))

bench: ## compare with rootlessport, pasta and others, and podman with its helper and ours
	@tests/tools/deps.sh build run test
	@$(MAKE) --no-print-directory -j$(JOBS) all $(PEER)
	@PORTSHUNT=$(abspath $(O))/portshunt PEER=$(abspath $(O))/tests/peer bash tests/bench/bench.sh

fuzz: ## search for new inputs that break a parser, FUZZ_SECONDS each
	@tests/tools/deps.sh build fuzz
	@$(MAKE) --no-print-directory -j$(JOBS) run-fuzz O=$(O)/fuzz CC=clang \
		SAN=address,undefined,fuzzer-no-link

run-fuzz: $(FUZZ:%=%_fuzz.o) $(LIB_OBJS)
	@for t in $(notdir $(FUZZ)); do mkdir -p $(O)/$$t && \
		clang -fsanitize=address,undefined,fuzzer -o $(O)/$$t-fuzz $(O)/tests/fuzz/$${t}_fuzz.o \
			$(LIB_OBJS) $(LDLIBS_ALL) && \
		$(O)/$$t-fuzz -max_total_time=$(FUZZ_SECONDS) $(O)/$$t tests/fuzz/corpus/$$t || exit; done

lint: ## look for defects with gcc -fanalyzer, clang, clang-tidy and cppcheck; none may be found
	@tests/tools/deps.sh build lint
	@$(MAKE) --no-print-directory -j$(JOBS) run-lint

# Each file again when any header changes: a finding may lie in a header.
LINT_HEADERS := $(wildcard user/*/*.h user/*/*/*.h include/*.h tests/tools/*.h tests/tools/*/*.h)
LINT_TOOLS := $(wildcard tests/tools/*/*.c)
LINT_TESTS := $(wildcard tests/unit/*.c tests/kernel/*.c tests/bpf/*.c tests/fuzz/*.c)
run-lint: $(SRCS:%.c=$(O)/lint/%.gcc) $(patsubst %.c,$(O)/lint/%.clang,$(SRCS) $(LINT_TOOLS) $(LINT_TESTS)) $(SRCS:%.c=$(O)/lint/%.tidy) $(LINT_TOOLS:%.c=$(O)/lint/%.tidy) $(O)/lint/cppcheck

$(O)/lint/%.gcc: %.c $(LINT_HEADERS) $(SKELS) Makefile
	@mkdir -p $(@D)
	@echo "  GCC  $<"
	$(Q)gcc $(filter-out -MMD -MP,$(CPPFLAGS_ALL)) -std=gnu11 -O2 -fno-strict-aliasing $(WARN) -Werror \
		-fanalyzer -c -o $@ $<

# gcc built everything, and clang warns of more
$(O)/lint/%.clang: %.c $(LINT_HEADERS) $(SKELS) Makefile
	@mkdir -p $(@D)
	@echo "  CLANG $<"
	$(Q)clang $(filter-out -MMD -MP,$(CPPFLAGS_ALL)) -std=gnu11 -fno-strict-aliasing $(WARN) -Werror -fsyntax-only $<
	@touch $@

$(O)/lint/%.tidy: %.c $(LINT_HEADERS) $(SKELS) .clang-tidy Makefile
	@mkdir -p $(@D)
	@echo "  TIDY $<"
	$(Q)clang-tidy --quiet $< -- $(filter-out -MMD -MP,$(CPPFLAGS_ALL)) -std=gnu11 >$@.log 2>&1 || \
		{ cat $@.log; exit 1; }
	@touch $@

# cppcheck reads no system headers: of their macros it needs to know these
$(O)/lint/cppcheck: $(SRCS) $(LINT_HEADERS) tests/tools/cppcheck.txt Makefile
	@mkdir -p $(@D)
	@echo "  CPPCHECK"
	$(Q)cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --std=c11 \
		--library=posix --suppressions-list=tests/tools/cppcheck.txt -Iuser -Iinclude \
		--include=$(firstword $(wildcard /usr/include/sys/queue.h /usr/include/*/sys/queue.h)) \
		-D_GNU_SOURCE -DVERSION='"$(VERSION)"' '-DLIBBPF_OPTS(t,n,...)=struct t n = { __VA_ARGS__ }' \
		$(SRCS)
	@touch $@

$(O)/man/%.gz: user/man/%.scd user/man/copy.sed
	@mkdir -p $(@D)
	@command -v scdoc >/dev/null || { echo "scdoc is missing: sudo make deps" >&2; exit 1; }
	$(Q)scdoc <$< | sed -f user/man/copy.sed | gzip -9n >$@

# Files that name the place of the program.
UNIT_FILE := $(O)/placed/systemd/portshunt@.service
PROFILE := $(O)/placed/apparmor/portshunt-attach
$(UNIT_FILE) $(PROFILE): $(O)/placed/%: user/% FORCE
	@mkdir -p $(@D)
	$(Q)sed 's|@BINDIR@|$(PREFIX:%/=%)/bin|' $< >$@

install: all $(MAN) $(UNIT_FILE) $(PROFILE) ## copy to DESTDIR and PREFIX
	$(Q)tests/tools/install.sh install '$(DESTDIR)' '$(PREFIX)' 755 $(O)/portshunt bin/portshunt \
		$(foreach l,$(DROP_INS),link ../../bin/portshunt libexec/portshunt/$l) \
		$(foreach m,$(MAN),644 $m share/man/man$(subst .,,$(suffix $(basename $m)))/$(notdir $m)) \
		644 $(UNIT_FILE) lib/systemd/system/portshunt@.service \
		644 $(PROFILE) share/portshunt/apparmor.d/portshunt-attach \
		644 user/completion/portshunt.bash share/bash-completion/completions/portshunt

uninstall: ## remove exactly what install created
	$(Q)tests/tools/install.sh uninstall '$(DESTDIR)' '$(PREFIX)'

deps: ## install the Debian packages that building, running and testing need
	@tests/tools/deps.sh build run demo test install

compile_commands.json: ## for clangd and its kind
	@(sep='['; for c in $(SRCS) $(wildcard tests/*/*.c tests/tools/*/*.c); do \
		printf '%s\n{"directory": "%s", "file": "%s", "command": "%s"}' "$$sep" '$(CURDIR)' "$$c" \
			'$(CC) $(subst ",\",$(subst ','\'',$(CPPFLAGS_ALL))) $(CFLAGS_ALL) -c '"$$c"; sep=,; \
	done; echo ']') >$@

clean: ## remove what was built
	rm -rf $(O) compile_commands.json

help: ## this list
	@sed -n 's/^\([a-z_.-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t24
	@echo "Variables: V=1 O=DIR SAN=address,undefined STRICT=1 JOBS=N PREFIX DESTDIR FUZZ_SECONDS"
	@echo "check-servers: SERVERS=\"$(SERVER_GROUPS)\""
	@echo "        LOADS=REGEX ROUNDS=3 MOST=9 RATE_WAYS=\"native splice shunt auto\""
	@echo "BPF=0: the splice-only program, without clang, bpftool and libbpf"

FORCE:
.PHONY: all compile_commands.json check check-san check-servers check-docker check-podman check-soak check-ways check-kernels $(RUNS) lint run-lint demo bench mutants fuzz run-fuzz install uninstall deps clean help FORCE
.SECONDARY:
-include $(OBJS:.o=.d) $(TEST_OBJS:.o=.d)
