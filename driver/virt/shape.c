/*
 * shape.c: how the stock module's table lies in memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "virt/shape.h"

#include <dlfcn.h>
#include <link.h>
#include <stdint.h>

#define REPL_SHAPE_WORD sizeof(void *)
#define REPL_SHAPE_MOST 4096 /* words; the table has 46 */

/* From glibc 2.36 on in elf.h. */
#define REPL_SHAPE_RELRSZ 35
#define REPL_SHAPE_RELR 36

/* What the dynamic section says; addresses are in memory. */
typedef struct {
    uintptr_t base;
    uintptr_t rela, rel, relr;
    gsize rela_bytes, rel_bytes, relr_bytes;
} ReplShape;

/* glibc makes the addresses of most architectures absolute when it loads a module, but not of all. */
static uintptr_t
replShapeAddress(uintptr_t base, uintptr_t value)
{
    return value < base ? base + value : value;
}

static gboolean
replShapeRead(void *handle, ReplShape *shape)
{
    struct link_map *map = NULL;
    const ElfW(Dyn) * dyn;

    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) < 0 || !map)
        return FALSE;
    *shape = (ReplShape){.base = map->l_addr};
    for (dyn = map->l_ld; dyn->d_tag != DT_NULL; dyn++) {
        switch (dyn->d_tag) {
        case DT_RELA:
            shape->rela = replShapeAddress(shape->base, dyn->d_un.d_ptr);
            break;
        case DT_RELASZ:
            shape->rela_bytes = dyn->d_un.d_val;
            break;
        case DT_REL:
            shape->rel = replShapeAddress(shape->base, dyn->d_un.d_ptr);
            break;
        case DT_RELSZ:
            shape->rel_bytes = dyn->d_un.d_val;
            break;
        case REPL_SHAPE_RELR:
            shape->relr = replShapeAddress(shape->base, dyn->d_un.d_ptr);
            break;
        case REPL_SHAPE_RELRSZ:
            shape->relr_bytes = dyn->d_un.d_val;
            break;
        default:
            break;
        }
    }
    return TRUE;
}

/* The words around the table: the one before it, and those from it on. */
typedef struct {
    uintptr_t first;
    gboolean relocated[REPL_SHAPE_MOST + 1];
} ReplShapeWords;

static void
replShapeMark(ReplShapeWords *words, uintptr_t address)
{
    gsize number = (address - words->first) / REPL_SHAPE_WORD;

    if (address >= words->first && number < G_N_ELEMENTS(words->relocated))
        words->relocated[number] = TRUE;
}

static void
replShapeMarkAll(const ReplShape *shape, ReplShapeWords *words)
{
    const ElfW(Rela) *rela = (const ElfW(Rela) *)shape->rela;
    const ElfW(Rel) *rel = (const ElfW(Rel) *)shape->rel;
    gsize i;

    for (i = 0; rela && i < shape->rela_bytes / sizeof(*rela); i++)
        replShapeMark(words, shape->base + rela[i].r_offset);
    for (i = 0; rel && i < shape->rel_bytes / sizeof(*rel); i++)
        replShapeMark(words, shape->base + rel[i].r_offset);
}

/* The packed form: an even word is an address, an odd one a bitmap of the words after the last one. */
static void
replShapeMarkPacked(const ReplShape *shape, ReplShapeWords *words)
{
    const uintptr_t *relr = (const uintptr_t *)shape->relr;
    const guint bits = 8 * REPL_SHAPE_WORD - 1;
    uintptr_t next = 0;
    gsize i;
    guint bit;

    for (i = 0; relr && i < shape->relr_bytes / sizeof(*relr); i++) {
        if ((relr[i] & 1) == 0) {
            replShapeMark(words, shape->base + relr[i]);
            next = shape->base + relr[i] + REPL_SHAPE_WORD;
            continue;
        }
        for (bit = 0; bit < bits; bit++) {
            if (relr[i] >> (bit + 1) & 1)
                replShapeMark(words, next + bit * REPL_SHAPE_WORD);
        }
        next += bits * REPL_SHAPE_WORD;
    }
}

/* The word may be another object's that happens to lie behind the table, as a reference to a function of the compiler's
 * does in Debian's builds; such a one leads out of the module. */
static gboolean
replShapeLeadsInto(const ReplShape *shape, const void *pointer)
{
    Dl_info info;

    return pointer && dladdr(pointer, &info) && (uintptr_t)info.dli_fbase == shape->base;
}

gsize
replShapeRun(void *handle, const void *table)
{
    const void *const *word = table;
    g_autofree ReplShapeWords *words = g_new0(ReplShapeWords, 1);
    ReplShape shape;
    gsize count = 0;

    if (!replShapeRead(handle, &shape))
        return 0;
    words->first = (uintptr_t)table - REPL_SHAPE_WORD;
    replShapeMarkAll(&shape, words);
    replShapeMarkPacked(&shape, words);
    if (words->relocated[0])
        return 0;
    while (count < REPL_SHAPE_MOST && words->relocated[count + 1] && replShapeLeadsInto(&shape, word[count]))
        count++;
    return count;
}
