/*
 * delay.c: a cable with a length: what comes in at one device goes out at the other, later
 *
 *     delay DEVICE DEVICE MICROSECONDS
 *
 * Both devices belong to this network namespace, and nothing else uses them. Frames are taken with the header by which
 * the kernel says what is left to do for them (checksums, cutting to the size that fits), so that large ones
 * pass in one piece and the delay costs no speed. Runs until it is killed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_BYTES (sizeof(struct virtio_net_hdr) + 65536 + 256)
/* What may be on its way in one direction: 125 MB/s for half a second. */
#define QUEUE_BYTES (64u << 20)

typedef struct Frame Frame;
struct Frame {
    Frame *next;
    uint64_t due_ns;
    size_t length;
    uint8_t bytes[];
};

typedef struct {
    int in, out;
    Frame *first, *last;
    size_t held_bytes;
} Way;

static uint64_t
nowNs(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void
fail(const char *what)
{
    fprintf(stderr, "delay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int
openDevice(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};
    int on = 1, room = 16 << 20;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));

    at.sll_ifindex = all.mr_ifindex = if_nametoindex(name);
    if (fd < 0 || at.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
        fail(name);
    return fd;
}

/* Takes what has come, but for what went out at this device itself. A full queue drops, as a real cable's ends do. */
static void
takeIn(Way *way, uint64_t delay_ns)
{
    static uint8_t buffer[FRAME_BYTES];

    for (int i = 0; i < 64; i++) {
        struct sockaddr_ll from;
        socklen_t size = sizeof(from);
        ssize_t got = recvfrom(way->in, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &size);
        Frame *frame;

        if (got <= 0)
            return;
        if (from.sll_pkttype == PACKET_OUTGOING || way->held_bytes + got > QUEUE_BYTES)
            continue;
        if (!(frame = malloc(sizeof(*frame) + got)))
            fail("memory");
        frame->next = NULL;
        frame->due_ns = nowNs() + delay_ns;
        frame->length = got;
        memcpy(frame->bytes, buffer, got);
        if (way->last)
            way->last->next = frame;
        else
            way->first = frame;
        way->last = frame;
        way->held_bytes += got;
    }
}

static void
sendDue(Way *way)
{
    Frame *frame;

    while ((frame = way->first) && frame->due_ns <= nowNs()) {
        if (send(way->out, frame->bytes, frame->length, 0) < 0 && (errno == EAGAIN || errno == ENOBUFS))
            return;
        if (!(way->first = frame->next))
            way->last = NULL;
        way->held_bytes -= frame->length;
        free(frame);
    }
}

int
main(int argc, char **argv)
{
    Way ways[2] = {0};
    struct pollfd polled[2];
    uint64_t delay_ns;

    if (argc != 4) {
        fprintf(stderr, "usage: delay DEVICE DEVICE MICROSECONDS\n");
        return 2;
    }
    delay_ns = strtoull(argv[3], NULL, 10) * 1000;
    for (int i = 0; i < 2; i++) {
        ways[i].in = ways[1 - i].out = openDevice(argv[1 + i]);
        polled[i] = (struct pollfd){ways[i].in, POLLIN, 0};
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct timespec wait = {1, 0};
        uint64_t now = nowNs();

        for (int i = 0; i < 2; i++) {
            uint64_t left_ns;

            if (!ways[i].first)
                continue;
            left_ns = ways[i].first->due_ns > now ? ways[i].first->due_ns - now : 20000;
            if (wait.tv_sec > 0 || left_ns < (uint64_t)wait.tv_nsec)
                wait = (struct timespec){0, left_ns < 999999999 ? left_ns : 999999999};
        }
        if (ppoll(polled, 2, &wait, NULL) < 0 && errno != EINTR)
            fail("poll");
        for (int i = 0; i < 2; i++) {
            takeIn(&ways[i], delay_ns);
            sendDue(&ways[i]);
        }
    }
}
