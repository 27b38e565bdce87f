/* io/words.h: a list of strings that grows, in one piece of memory. */
#ifndef IO_WORDS_H
#define IO_WORDS_H

#include "ne.h"

typedef struct word_list {
    char  *text; /* count strings, each with its closing 0, one after the other */
    size_t size, room, count;
} word_list;

/** Appends a copy. errors: NE_OUT_OF_MEMORY, with the name of the file. */
ne_status words_add(word_list *of, const char *path, const char *word);

/** Where each of them stands, for as long as they are neither added to nor cleared. The caller frees it; NULL, with the
 *  error text set, when there is no memory. */
char **words_list(const word_list *of, const char *path);
void   words_clear(word_list *of);

#endif
