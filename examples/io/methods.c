/* io/methods.c: lists of method names. What there is, only the library knows. */
#include "io/methods.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VALUE_TEXT = 64
};

int methods_is_of_all(const char *name)
{
    ne_context   *context   = NULL;
    ne_embedding *embedding = NULL;
    char          value[VALUE_TEXT];
    int           takes_steps = 0;
    if (ne_context_create(&context) == NE_OK && ne_embedding_create(context, name, &embedding) == NE_OK)
        takes_steps = ne_embedding_get(embedding, "max_iter", value, sizeof value) == NE_OK &&
                      ne_embedding_get(embedding, "affinity_in", value, sizeof value) != NE_OK;
    ne_embedding_free(embedding);
    ne_context_free(context);
    return takes_steps;
}

/* 1 if the list has the name, whose length is given. */
static int list_has(const char *list, const char *name, size_t length)
{
    for (const char *at = list; at;) {
        const size_t part = strcspn(at, ",");
        if (part == length && strncmp(at, name, length) == 0) return 1;
        at = at[part] ? at + part + 1 : NULL;
    }
    return 0;
}

static ne_status methods_add(methods *to, const char *name, size_t length)
{
    char **longer = realloc(to->name, (to->count + 1) * sizeof *longer);
    if (longer) to->name = longer;
    char *own = longer ? strndup(name, length) : NULL;
    if (!own) return ne_fail(NE_OUT_OF_MEMORY, "no memory for the names of methods");
    for (size_t m = 0; m < to->count; m++)
        if (strcmp(to->name[m], own) == 0) {
            ne_fail(NE_INVALID_ARGUMENT, "--method: '%s' is named twice", own);
            free(own);
            return NE_INVALID_ARGUMENT;
        }
    to->name[to->count++] = own;
    return NE_OK;
}

/* The library refuses a name that it doesn't know, in its own words. */
static ne_status check_known(const char *list)
{
    ne_context *context = NULL;
    ne_status   st      = ne_context_create(&context);
    for (const char *at = list; st == NE_OK && at;) {
        ne_embedding *embedding = NULL;
        const size_t  length    = strcspn(at, ",");
        char         *name      = strndup(at, length);
        st = name ? ne_embedding_create(context, name, &embedding) : ne_fail(NE_OUT_OF_MEMORY, "no memory for a name");
        ne_embedding_free(embedding);
        free(name);
        at = at[length] ? at + length + 1 : NULL;
    }
    ne_context_free(context);
    return st;
}

ne_status methods_read(const char *names, const char *skip, methods *to)
{
    methods   made = {0};
    const int all  = strcmp(names, "all") == 0;
    ne_status st   = all ? NE_OK : check_known(names);
    if (st == NE_OK && skip) st = check_known(skip);
    for (size_t i = 0; st == NE_OK && all && ne_type_name("method", i); i++) {
        const char *name = ne_type_name("method", i);
        if (methods_is_of_all(name) && !list_has(skip, name, strlen(name))) st = methods_add(&made, name, strlen(name));
    }
    for (const char *at = all ? NULL : names; st == NE_OK && at;) {
        const size_t length = strcspn(at, ",");
        if (!list_has(skip, at, length)) st = methods_add(&made, at, length);
        at = at[length] ? at + length + 1 : NULL;
    }
    if (st == NE_OK && made.count == 0) st = ne_fail(NE_INVALID_ARGUMENT, "--skip: no method is left");
    if (st == NE_OK) {
        *to  = made;
        made = (methods){0};
    }
    methods_clear(&made);
    return st;
}

void methods_clear(methods *of)
{
    for (size_t m = 0; m < of->count; m++) free(of->name[m]);
    free(of->name);
    *of = (methods){0};
}

char *methods_file(const char *path, const char *method)
{
    const char  *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    const size_t stem = dot && !(slash && dot < slash) ? (size_t)(dot - path) : strlen(path);
    const size_t room = strlen(path) + strlen(method) + 2;
    char        *made = malloc(room);
    if (!made) ne_fail(NE_OUT_OF_MEMORY, "no memory for the name of a file");
    else snprintf(made, room, "%.*s.%s%s", (int)stem, path, method, path + stem);
    return made;
}
