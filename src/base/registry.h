/* base/registry.h: the process-wide lists of types, append-only, one lock. The only mutable state of the library
 * besides the error texts and the BLAS door. */
#ifndef NE_BASE_REGISTRY_H
#define NE_BASE_REGISTRY_H

#include "ne.h"

typedef enum registry_kind {
    REGISTRY_METHOD   = 0,
    REGISTRY_AFFINITY = 1,
    REGISTRY_METRIC   = 2,
    REGISTRY_KINDS    = 3
} registry_kind;

/* ops begins with size_t struct_size, const char *name, const char *help. errors: NE_INVALID_ARGUMENT (a name that is
 * taken, empty or longer than NE_NAME_SIZE - 1; no help), NE_OUT_OF_MEMORY when the list is full. */
ne_status registry_add(registry_kind kind, const void *ops);
/* The table of that name, or NULL with the error text "method: unknown 'tnse'; did you mean 'tsne'?". */
const void *registry_find(registry_kind kind, const char *name);
const void *registry_at(registry_kind kind, size_t index); /* NULL past the end */

#endif
