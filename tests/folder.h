/* folder.h: a directory for the files of one test, made where the test runs, and gone with it. */
#ifndef FOLDER_H
#define FOLDER_H

#include "ne.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static inline void folder_open(void)
{
    strcpy(folder, "test_files.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline size_t folder_count(int remove)
{
    size_t count = 0;
    DIR   *all   = opendir(folder);
    ck_assert_ptr_nonnull(all);
    for (struct dirent *entry; (entry = readdir(all));) {
        if (entry->d_name[0] == '.') continue;
        if (remove) unlinkat(dirfd(all), entry->d_name, 0);
        count++;
    }
    closedir(all);
    return count;
}

static inline void folder_close(void)
{
    folder_count(1);
    rmdir(folder);
}

/* The path of a file in the folder; the last eight stay valid. */
static inline const char *at(const char *name)
{
    static char   paths[8][160];
    static size_t next;
    char         *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline const char *put(const char *name, const void *data, size_t size)
{
    const char *path = at(name);
    FILE       *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

static inline const char *put_text(const char *name, const char *text)
{
    return put(name, text, strlen(text));
}

/* The status, and the whole text of the error; the first '%' in text stands for the folder. */
static inline void check_error(ne_status st, ne_status want, const char *text)
{
    char         whole[512];
    const size_t place = strcspn(text, "%");
    const char  *after = text[place] ? text + place + 1 : "";
    snprintf(whole, sizeof whole, "%.*s%s%s", (int)place, text, text[place] ? folder : "", after);
    ck_assert_str_eq(ne_last_error(), whole);
    ck_assert_int_eq(st, want);
}

#endif
