/* SPDX-License-Identifier: Apache-2.0 */
/* When the container's outbound IPv6 is there. */
#pragma once

/*
 * ipv6_wait - until slirp4netns' interface has the global address that it
 * makes itself from a router advertisement (RFC 4862), which slirp4netns'
 * ready fd does not wait for; but no longer than @timeout_ms, and not at all
 * where IPv6 is off. Call it in the container's network namespace.
 */
void ipv6_wait(int timeout_ms);
