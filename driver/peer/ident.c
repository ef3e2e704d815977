/*
 * ident.c: the id of this daemon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/ident.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "xml/element.h"

#define REPL_IDENT_FILE "id"
#define REPL_IDENT_MAX_bytes 64

static int
replIdentOpenDir(const char *dir, GError **err)
{
    int fd = g_mkdir_with_parents(dir, 0700) < 0 ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        replErrorSetSystem(err, errno, _("Cannot make the directory '%s'"), dir);
    return fd;
}

char *
replIdent(const char *dir)
{
    g_autoptr(GError) err = NULL;
    g_auto(ReplFd) fd = replIdentOpenDir(dir, &err);
    g_autofree char *text =
        fd < 0 ? NULL : replReadLimited(fd, REPL_IDENT_FILE, REPL_IDENT_MAX_bytes, NULL, NULL);
    char *id = text ? replUuidCanonical(g_strstrip(text)) : NULL;
    g_autofree char *line = NULL;

    if (id)
        return id;
    id = g_uuid_string_random();
    line = g_strconcat(id, "\n", NULL);
    if (fd < 0 || replWriteDurable(fd, REPL_IDENT_FILE, line, strlen(line), &err) < 0)
        replWarn("The id of this daemon is not kept: %s", err->message);
    return id;
}
