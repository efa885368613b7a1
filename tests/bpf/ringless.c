/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the program that looks at rings does not load, the shunt runs without it, and doctor says
 * so. bpf(2) refuses the loader of that program alone here: the last one that shunt_open() loads,
 * known again by its length.
 */
#include <dlfcn.h>
#include <linux/bpf.h>
#include <sys/syscall.h>

#include "cmd/cmd.h"
#include "datapath/shunt.h"
#include "kernel/socket.h"

#define UNRECOGNISED "; who sends over io_uring is not recognised"

static __u32 last_loader; /* so many instructions */
static __u32 refuses;	  /* one of so many; 0: none */
static unsigned int refused;

/* Does this go through? */
static bool is_allowed(const union bpf_attr *attr)
{
	if (attr->prog_type != BPF_PROG_TYPE_SYSCALL)
		return true;
	last_loader = attr->insn_cnt;
	if (!refuses || attr->insn_cnt != refuses)
		return true;
	refused++;
	return false;
}

/* In the place of the C library's, for libbpf and the skeletons as well. */
long syscall(long number, ...)
{
	static long (*real)(long number, ...);
	long args[6];
	va_list ap;

	if (!real)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		args[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_bpf && args[0] == BPF_PROG_LOAD &&
	    !is_allowed((const union bpf_attr *)args[1])) {
		errno = EINVAL;
		return -1;
	}
	return real(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

/* What `portshunt doctor` prints; its first line about @test of the shunt in @ret. */
static void doctor(const char *test, char *ret, size_t size)
{
	char *argv[] = { "doctor", NULL }, line[512], head[64];
	FILE *out = tmpfile();
	int saved = dup(STDOUT_FILENO);

	snprintf(head, sizeof(head), "%-9s %-16s ", "shunt", test);
	MUST(out && saved >= 0 ? 0 : -1);
	fflush(stdout);
	MUST(dup2(fileno(out), STDOUT_FILENO));
	MUST(cmd_doctor(1, argv) == 0 ? 0 : -1);
	MUST(dup2(saved, STDOUT_FILENO));
	close(saved);
	rewind(out);
	*ret = '\0';
	while (fgets(line, sizeof(line), out))
		if (strncmp(line, head, strlen(head)) == 0)
			snprintf(ret, size, "%s", line + strlen(head));
	ret[strcspn(ret, "\n")] = '\0';
	fclose(out);
}

static void test_doctor(__u32 rings)
{
	char text[512];

	doctor("capture", text, sizeof(text));
	tap_ok(strncmp(text, "ok ", 3) == 0 && strstr(text, "by a") && !strstr(text, UNRECOGNISED),
	       "doctor says how senders are captured");
	tap_diag("%s", text);
	refuses = rings;
	doctor("capture", text, sizeof(text));
	tap_ok(strncmp(text, "ok ", 3) == 0 && strstr(text, "by a") &&
		       strlen(text) > strlen(UNRECOGNISED) &&
		       strcmp(text + strlen(text) - strlen(UNRECOGNISED), UNRECOGNISED) == 0,
	       "and that senders over io_uring are not recognised");
	tap_diag("%s", text);
	tap_ok(refused > 0, "since a program was refused");
	doctor("rescue", text, sizeof(text));
	tap_ok(strcmp(text, "ok") == 0, "the other tests pass all the same");
}

static void test_open(void)
{
	struct error err = { "" };
	struct shunt *shunt;

	if (!tap_ok(shunt_open(&shunt, &err) == 0, "the shunt opens without it"))
		return;
	tap_is(shunt_tools(shunt).rings_fd, -1, "and looks at no rings");
	shunt_close(shunt);
}

int main(void)
{
	struct error err = { "" };
	struct shunt *shunt;
	bool has_rings;

	if (shunt_open(&shunt, &err) < 0)
		tap_skip_all(err.text);
	has_rings = shunt_tools(shunt).rings_fd >= 0;
	shunt_close(shunt);
	if (!has_rings)
		tap_skip_all("the kernel has no io_uring");
	test_doctor(last_loader);
	test_open();
	return tap_end();
}
