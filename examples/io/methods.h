/* io/methods.h: the methods that one run of ne_embed fits. */
#ifndef IO_METHODS_H
#define IO_METHODS_H

#include "ne.h"

typedef struct methods {
    size_t count;
    char **name;
} methods;

/** "tsne", "tsne,umap" or "all", less those of skip (NULL: none). all is what methods_is_of_all() says, as registered.
 *  errors   NE_UNKNOWN_NAME with the nearest name; NE_INVALID_ARGUMENT: a name twice, or none left. */
ne_status methods_read(const char *names, const char *skip, methods *to);
void      methods_clear(methods *of);

/** 1 for a method of its own that takes steps: it has the option max_iter, and does not leave open what it compares, as
 *  one with an option affinity_in does. */
int methods_is_of_all(const char *name);

/** "y.csv" and "tsne" make "y.tsne.csv". The caller frees it; NULL with the error text set when there is no memory. */
char *methods_file(const char *path, const char *method);

#endif
