# SPDX-License-Identifier: Apache-2.0
# `make` builds build/portshunt; `make help` lists the targets.

VERSION := 0.1.0
O ?= build
CC ?= gcc
PKGS := json-c libcap-ng
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef -Wno-unused-parameter
CPPFLAGS_ALL := -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Iuser -Iinclude -MMD -MP $(CPPFLAGS)
CFLAGS_ALL = -std=gnu11 -fno-strict-aliasing -fstack-protector-strong $(WARN) $(CFLAGS) $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
LDLIBS_ALL = $(shell pkg-config --libs $(PKGS)) -lseccomp -lsubid
Q := $(if $(V),,@)

SRCS := $(sort $(wildcard user/*.c user/*/*.c user/*/*/*.c))
OBJS := $(SRCS:%.c=$(O)/%.o)

all: $(O)/portshunt

$(O)/portshunt: $(OBJS)
	@echo "  LD   $@"
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

$(O)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c -o $@ $<

clean:
	rm -rf $(O)

.PHONY: all clean
-include $(OBJS:.o=.d)
