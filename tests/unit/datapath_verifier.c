/* SPDX-License-Identifier: Apache-2.0 */
/* Which lines of the verifier's log say why a program is refused. The logs are real ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "datapath/verifier.h"

/* Linux 7.3.4, log level 1 */
static const char refused_7_3[] =
	"func#0 @0\n"
	"; if (bpf_sock_hash_update(skops, &senders, &id, BPF_NOEXIST)) @ shunt.bpf.c:200\n"
	"57: (18) r1 = 0xffff888003f8d400       ; R1=map_ptr(map=senders,ks=8,vs=4)\n"
	"59: (85) call bpf_map_update_elem#2\n"
	"cannot update sockmap in this context\n"
	"cannot pass map_type 18 into func bpf_map_update_elem#2\n"
	"processed 58 insns (limit 1000000) max_states_per_insn 0 total_states 5 peak_states 5 mark_read 2\n"
	"\n";

/* Linux 6.1.192: a register's fault, and more statistics */
static const char refused_6_1[] =
	"0: R1=ctx(off=0,imm=0) R10=fp0\n"
	"0: (95) exit\n"
	"R0 !read_ok\n"
	"verification time 88 usec\n"
	"stack depth 0\n"
	"processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n";

static const char accepted[] =
	"func#0 @0\n"
	"0: R1=ctx() R10=fp0\n"
	"0: (b7) r0 = 0                        ; R0_w=0\n"
	"1: (95) exit\n"
	"processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n";

static void check(const char *log, const char *expected)
{
	char reason[200];

	assert_int_equal(verifier_reason(log, reason, sizeof(reason)), expected != NULL);
	assert_string_equal(reason, expected ? expected : "");
}

static void test_reason(void **state)
{
	check(refused_7_3, "cannot update sockmap in this context; "
			   "cannot pass map_type 18 into func bpf_map_update_elem#2");
	check(refused_6_1, "R0 !read_ok");
	check("unknown func bpf_skc_to_tcp_sock#137\n", "unknown func bpf_skc_to_tcp_sock#137");
	check("no line's end", "no line's end");
	/* what was said of an earlier instruction is no reason */
	check("arg#0 is odd\n1: (95) exit\nR0 !read_ok\n", "R0 !read_ok");
	check("arg#0 is odd\n1: (95) exit\n", NULL);
	/* an error that begins with a register is none of its states */
	check("1: (79) r0 = *(u64 *)(r1 +0)\nR1 type=scalar expected=fp, pkt\n",
	      "R1 type=scalar expected=fp, pkt");
	check("R2 min value is negative\n", "R2 min value is negative");
	check("R2_w=scalar() R10=fp0\n", NULL);
}

static void test_nothing_refused(void **state)
{
	check("", NULL);
	check("\n\n", NULL);
	check(accepted, NULL);
	check("from 5 to 9: safe\nprocessed 12 insns (limit 1000000)\n", NULL);
	check("[1] PTR (anon) type_id=2\n[2] INT int size=4\n", NULL);
}

static void test_error(void **state)
{
	struct error err = { "" };
	char line[1000];

	assert_int_equal(verifier_error(&err, -EINVAL, refused_7_3), -EINVAL);
	assert_string_equal(err.text, "its programs cannot be loaded: refused by the verifier: "
				      "cannot update sockmap in this context; "
				      "cannot pass map_type 18 into func bpf_map_update_elem#2");
	assert_int_equal(verifier_error(&err, -EPERM, NULL), -EPERM);
	assert_string_equal(err.text, "its programs cannot be loaded: operation not permitted");
	assert_int_equal(verifier_error(&err, -E2BIG, accepted), -E2BIG);
	assert_string_equal(err.text, "its programs cannot be loaded: argument list too long");
	/* a probe's text has 256 bytes */
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	verifier_error(&err, -EINVAL, line);
	assert_true(strlen(err.text) < 256);
	assert_string_equal(err.text + strlen(err.text) - 3, "xxx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reason),
		cmocka_unit_test(test_nothing_refused),
		cmocka_unit_test(test_error),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("datapath/verifier", tests, NULL, NULL);
}
