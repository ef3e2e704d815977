/*
 * policy_tree.c: how long a policy takes to bring one image to many regions, and what its origin sends
 *
 *     policy_tree MIB_PER_S
 *
 * The planner is the client's own; what it plans is not copied but timed: each region sends at the given rate, one
 * copy at a time, and the time of a copy is the payload by that rate. Regions lie at random places of a square, and
 * the way between two of them is the slower the longer it is, by up to a half.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tree.h"

#define PAYLOAD_MIB 4096.0
#define FANOUT 3

typedef struct {
    double x, y;
} Place;

typedef struct {
    guint from, to;
    double end_s;
} Flight;

static double
distanceOf(guint from, guint to, void *opaque)
{
    const Place *places = opaque;

    return hypot(places[from].x - places[to].x, places[from].y - places[to].y);
}

/* The flight that lands next. */
static guint
nextOf(const GArray *flights)
{
    guint best = 0;
    guint i;

    for (i = 1; i < flights->len; i++) {
        if (g_array_index(flights, Flight, i).end_s < g_array_index(flights, Flight, best).end_s)
            best = i;
    }
    return best;
}

static void
begin(GArray *flights, ReplTreeNode *nodes, guint count, Place *places, double now_s, double rate)
{
    GArray *edges = replTreeNext(nodes, count, FANOUT, distanceOf, places);
    guint i;

    for (i = 0; i < edges->len; i++) {
        const ReplTreeEdge *edge = &g_array_index(edges, ReplTreeEdge, i);
        double slow = 1 + 0.5 * distanceOf(edge->from, edge->to, places) / M_SQRT2;
        Flight flight = {edge->from, edge->to, now_s + PAYLOAD_MIB / rate * slow};

        g_array_append_val(flights, flight);
    }
    g_array_unref(edges);
}

static void
simulate(guint regions, double rate)
{
    guint count = regions + 1; /* and the origin */
    g_autofree ReplTreeNode *nodes = g_new0(ReplTreeNode, count);
    g_autofree Place *places = g_new0(Place, count);
    g_autoptr(GArray) flights = g_array_new(FALSE, FALSE, sizeof(Flight));
    GRand *rand = g_rand_new_with_seed(1);
    gint64 planned_us = 0, began_us;
    double now_s = 0;
    guint i, there = 0;

    for (i = 0; i < count; i++) {
        nodes[i].has = i == 0;
        nodes[i].wanted = i > 0;
        places[i].x = g_rand_double(rand);
        places[i].y = g_rand_double(rand);
    }
    for (;;) {
        Flight landed;

        began_us = g_get_monotonic_time();
        begin(flights, nodes, count, places, now_s, rate);
        planned_us += g_get_monotonic_time() - began_us;
        if (flights->len == 0)
            break;
        i = nextOf(flights);
        landed = g_array_index(flights, Flight, i);
        g_array_remove_index_fast(flights, i);
        now_s = landed.end_s;
        nodes[landed.from].busy = false;
        nodes[landed.to].has = true;
        there++;
    }
    printf("{\"regions\": %u, \"there\": %u, \"seconds\": %.1f, \"one_copy_seconds\": %.1f, "
           "\"star_seconds\": %.1f, "
           "\"origin_payloads\": %u, \"planning_ms\": %.1f}\n",
           regions, there, now_s, PAYLOAD_MIB / rate, PAYLOAD_MIB / rate * regions, nodes[0].children,
           (double)planned_us / 1000);
    g_rand_free(rand);
}

int
main(int argc, char **argv)
{
    double rate = argc > 1 ? strtod(argv[1], NULL) : 0;

    if (!(rate > 0)) {
        fprintf(stderr, "usage: policy_tree MIB_PER_S\n");
        return 1;
    }
    simulate(10, rate);
    simulate(100, rate);
    simulate(1000, rate);
    return 0;
}
