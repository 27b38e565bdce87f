/* base/registry.c: see registry.h. */
#include "base/registry.h"

#include "base/options.h"

#include <pthread.h>
#include <string.h>

enum {
    CAPACITY = 256
};

typedef struct named_ops {
    size_t      struct_size;
    const char *name, *help;
} named_ops;

static const char *const kind_names[REGISTRY_KINDS] = {"method", "affinity", "metric"};

static pthread_mutex_t  lock = PTHREAD_MUTEX_INITIALIZER;
static const named_ops *lists[REGISTRY_KINDS][CAPACITY];
static size_t           counts[REGISTRY_KINDS];

static const named_ops *find(registry_kind kind, const char *name)
{
    const named_ops *found = NULL;
    for (size_t i = 0; i < counts[kind]; i++)
        if (strcmp(lists[kind][i]->name, name) == 0) found = lists[kind][i];
    return found;
}

ne_status registry_add(registry_kind kind, const void *ops)
{
    const named_ops *named = ops;
    const char      *what  = kind_names[kind];
    ne_status        st    = NE_OK;

    if (!named->name || !*named->name || strlen(named->name) >= NE_NAME_SIZE)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: a name of 1 to %d characters is needed", what, NE_NAME_SIZE - 1);
    if (!named->help || !*named->help)
        return ne_fail(NE_INVALID_ARGUMENT, "%s '%s': a line of help is needed", what, named->name);
    pthread_mutex_lock(&lock);
    if (find(kind, named->name)) st = ne_fail(NE_INVALID_ARGUMENT, "%s '%s': the name is taken", what, named->name);
    else if (counts[kind] == CAPACITY)
        st = ne_fail(NE_OUT_OF_MEMORY, "%s '%s': %d are registered, and that is the most", what, named->name, CAPACITY);
    else lists[kind][counts[kind]++] = named;
    pthread_mutex_unlock(&lock);
    return st;
}

const void *registry_find(registry_kind kind, const char *name)
{
    pthread_mutex_lock(&lock);
    const named_ops *found = find(kind, name), *near = NULL;
    if (!found) {
        for (size_t i = 0; i < counts[kind]; i++)
            if (name_is_near(name, lists[kind][i]->name) &&
                (!near || name_distance(name, lists[kind][i]->name) < name_distance(name, near->name)))
                near = lists[kind][i];
        if (near) ne_fail(NE_UNKNOWN_NAME, "%s: unknown '%s'; did you mean '%s'?", kind_names[kind], name, near->name);
        else ne_fail(NE_UNKNOWN_NAME, "%s: unknown '%s'", kind_names[kind], name);
    }
    pthread_mutex_unlock(&lock);
    return found;
}

const void *registry_at(registry_kind kind, size_t index)
{
    pthread_mutex_lock(&lock);
    const void *ops = index < counts[kind] ? lists[kind][index] : NULL;
    pthread_mutex_unlock(&lock);
    return ops;
}
