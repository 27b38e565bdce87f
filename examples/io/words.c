/* io/words.c: a list of strings. While it grows its text may move, so the places are told at the end. */
#include "io/words.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

ne_status words_add(word_list *of, const char *path, const char *word)
{
    const size_t length = strlen(word) + 1;
    if (of->room - of->size < length) {
        const size_t room   = 2 * of->room + length + 256;
        char        *larger = realloc(of->text, room);
        if (!larger) return ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for more than %zu words", path, of->count);
        of->text = larger;
        of->room = room;
    }
    memcpy(of->text + of->size, word, length);
    of->size += length;
    of->count++;
    return NE_OK;
}

char **words_list(const word_list *of, const char *path)
{
    char  *at   = of->text;
    char **made = of->count >= SIZE_MAX / sizeof *made ? NULL : malloc((of->count + 1) * sizeof *made);
    if (!made) ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for %zu words", path, of->count);
    for (size_t i = 0; made && i < of->count; i++) {
        made[i] = at;
        at += strlen(at) + 1;
    }
    return made;
}

void words_clear(word_list *of)
{
    free(of->text);
    *of = (word_list){0};
}
