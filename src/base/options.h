/* base/options.h: options as data. A set is a list of blocks, each a table of rows and the parameter struct that the
 * rows' offsets point into. Looked up in order, so a type's own row hides one of the same name in its base. */
#ifndef NE_BASE_OPTIONS_H
#define NE_BASE_OPTIONS_H

#include "base/memory.h"
#include "ne.h"

enum {
    OPTION_BLOCKS = 6
};

typedef struct option_block {
    const char      *owner; /* "tsne", "entropic", "k-NN graph": for help pages */
    const ne_option *rows;
    size_t           count, row_size;
    void            *params;
    unsigned char   *given; /* count flags: set by the user, so that new defaults leave it alone */
} option_block;

/* Another name for an option. */
typedef struct option_alias {
    const char *name, *of;
} option_alias;

/* A name that sets several options at once, each as prefix + member: "auto", "none", or "member=value,member=value",
 * which is none's values and then those. */
typedef struct option_list {
    const char *name, *prefix;
    const char *automatic, *none; /* in the third form */
    const char *members;          /* "momentum,dampening": what may be named */
} option_list;

typedef struct option_names {
    const option_alias *aliases;
    size_t              alias_count;
    const option_list  *lists;
    size_t              list_count;
} option_names;

typedef struct option_set {
    option_block        blocks[OPTION_BLOCKS];
    size_t              count;
    const option_names *names;   /* or NULL */
    const ne_preset    *presets; /* defaults that the type changes in its blocks */
    size_t              preset_count;
    ne_preset           part; /* one of a part that was chosen, which gives way to those of the type; name NULL: none */
    int                 reference; /* 1: the defaults of the reference column are in force */
} option_set;

typedef struct option_place {
    const ne_option    *row;
    const option_block *block;
    size_t              index; /* of the row in its block */
} option_place;

/* Append a block; params stays the caller's and must outlive the set. Then options_reset() gives every option its
 * default. A set owns the `given` flags only. */
ne_status options_add(const ne_allocator *mem, option_set *set, const char *owner, const ne_option *rows, size_t count,
                      size_t row_size, void *params);
/* Block number `at` becomes another; what was given in it is forgotten. */
ne_status options_replace(const ne_allocator *mem, option_set *set, size_t at, const option_block *by);
void      options_clear(const ne_allocator *mem, option_set *set);
/* Defaults into every option that the user has not given; the reference column where set->reference. */
ne_status options_reset(option_set *set);

/* Errors: NE_UNKNOWN_NAME with the nearest name, NE_OUT_OF_RANGE, NE_INVALID_ARGUMENT. Setting the option "reference"
 * also resets all that is not given. */
ne_status options_set(option_set *set, const char *name, const char *text);
ne_status options_set_real(option_set *set, const char *name, double value);
ne_status options_set_int(option_set *set, const char *name, int64_t value);
ne_status options_get(const option_set *set, const char *name, char *text, size_t size);
ne_status options_get_real(const option_set *set, const char *name, double *value);
ne_status options_get_int(const option_set *set, const char *name, int64_t *value);
int       options_given(const option_set *set, const char *name);
int       options_has(const option_set *set, const char *name);

/* Rows that are hidden by an earlier row of the same name do not count. */
size_t    options_count(const option_set *set);
ne_status options_info(const option_set *set, size_t index, const char *field, char *text, size_t size);

/* The bounds that depend on n: "perplexity: 50 is outside [1, n - 1] = [1, 39]". */
ne_status options_check_n(const option_set *set, size_t n);
/* A table as a plug-in would bring it: names, help, types, defaults inside their ranges. */
ne_status options_check_table(const char *owner, const ne_option *rows, size_t count, size_t row_size);

/* A list by its name, or NULL; base/option_names.c. Names are checked before anything is set; where a value is refused,
 * those before it are set. The text of get is one that set takes. */
const option_list *option_list_find(const option_set *set, const char *name);
ne_status          option_list_set(option_set *set, const option_list *list, const char *text);
ne_status          option_list_get(const option_set *set, const option_list *list, char *text, size_t size);

/* How unlike two names are (edits, swaps counted once), and whether `tried` is near enough to suggest `name`. */
int name_distance(const char *a, const char *b);
int name_is_near(const char *tried, const char *name);

/* Numbers as text with a point, whatever the user's locale. number_print gives the shortest text that reads back. */
int  number_parse(const char *text, double *value); /* 1 on success; accepts nan and inf */
void number_print(double value, char *text, size_t size);

#endif
