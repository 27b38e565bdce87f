/* base/options.c: see options.h. */
#include "base/options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const ne_option *row_of(const option_block *block, size_t index)
{
    return (const ne_option *)((const char *)block->rows + index * block->row_size);
}

static void *field_of(const option_place *place)
{
    return (char *)place->block->params + place->row->offset;
}

static int find_row(const option_set *set, const char *name, option_place *place)
{
    for (size_t b = 0; b < set->count; b++)
        for (size_t i = 0; i < set->blocks[b].count; i++)
            if (strcmp(row_of(&set->blocks[b], i)->name, name) == 0) {
                *place = (option_place){row_of(&set->blocks[b], i), &set->blocks[b], i};
                return 1;
            }
    return 0;
}

/* A row of that name, or else of the name that it stands for. */
static int find(const option_set *set, const char *name, option_place *place)
{
    int found = find_row(set, name, place);
    for (size_t i = 0; !found && set->names && i < set->names->alias_count; i++)
        if (strcmp(set->names->aliases[i].name, name) == 0) found = find_row(set, set->names->aliases[i].of, place);
    return found;
}

static ne_status find_or_suggest(const option_set *set, const char *name, option_place *place)
{
    const char *nearest = NULL;
    if (!name) return ne_fail(NE_INVALID_ARGUMENT, "option: the name is a null pointer");
    if (find(set, name, place)) return NE_OK;
    for (size_t b = 0; b < set->count; b++)
        for (size_t i = 0; i < set->blocks[b].count; i++) {
            const char *other = row_of(&set->blocks[b], i)->name;
            if (name_is_near(name, other) && (!nearest || name_distance(name, other) < name_distance(name, nearest)))
                nearest = other;
        }
    return nearest ? ne_fail(NE_UNKNOWN_NAME, "unknown option '%s'; did you mean '%s'?", name, nearest)
                   : ne_fail(NE_UNKNOWN_NAME, "unknown option '%s'", name);
}

/* --- Ranges ------------------------------------------------------------------------------------------------------ */

static void bound_print(const ne_option *row, double bound, char *text, size_t size)
{
    if (bound == INFINITY || bound == -INFINITY || (row->type == NE_OPT_INT && fabs(bound) >= 9e18))
        snprintf(text, size, "%sinf", bound < 0 ? "-" : "");
    else number_print(bound, text, size);
}

static void range_print(const ne_option *row, char *text, size_t size)
{
    char low[32], high[32];
    if (row->type == NE_OPT_BOOL) {
        snprintf(text, size, "true|false");
    } else if (row->type == NE_OPT_CHOICE) {
        snprintf(text, size, "%s", row->choices);
    } else if (row->type == NE_OPT_NAME) {
        snprintf(text, size, "a registered name");
    } else {
        bound_print(row, row->min, low, sizeof low);
        if (row->flags & NE_OPT_MAX_FROM_N) snprintf(high, sizeof high, row->max == 0 ? "n" : "n - %g", -row->max);
        else bound_print(row, row->max, high, sizeof high);
        snprintf(text, size, "%c%s, %s%c%s", row->flags & NE_OPT_MIN_OPEN || !isfinite(row->min) ? '(' : '[', low, high,
                 row->flags & NE_OPT_MAX_OPEN || strcmp(high, "inf") == 0 ? ')' : ']',
                 row->flags & NE_OPT_AUTO   ? " or auto"
                 : row->flags & NE_OPT_NONE ? " or none"
                                            : "");
    }
}

static int below_range(const ne_option *row, double v)
{
    return row->flags & NE_OPT_MIN_OPEN ? !(v > row->min) : !(v >= row->min);
}

static int above_range(const ne_option *row, double v)
{
    if (row->flags & NE_OPT_MAX_FROM_N) return 0;
    return row->flags & NE_OPT_MAX_OPEN ? !(v < row->max) : !(v <= row->max);
}

static ne_status outside(const ne_option *row, double v)
{
    char range[96], value[32];
    range_print(row, range, sizeof range);
    number_print(v, value, sizeof value);
    return ne_fail(NE_OUT_OF_RANGE, "%s: %s is outside %s", row->name, value, range);
}

/* --- Setting ----------------------------------------------------------------------------------------------------- */

static ne_status store_number(const option_place *place, double v)
{
    const ne_option *row = place->row;
    ne_status        st  = NE_OK;
    char             value[32];

    number_print(v, value, sizeof value);
    if (isnan(v)) {
        st = ne_fail(NE_INVALID_ARGUMENT, "%s: nan is not a number that it can take", row->name);
    } else if (row->type == NE_OPT_REAL) {
        if (below_range(row, v) || above_range(row, v) || isinf(v)) st = outside(row, v);
        else *(double *)field_of(place) = v;
    } else if (row->type == NE_OPT_INT || row->type == NE_OPT_BOOL) {
        if (v != floor(v) && isfinite(v))
            st = ne_fail(NE_INVALID_ARGUMENT, "%s: %s is not a whole number", row->name, value);
        else if (row->type == NE_OPT_BOOL && v != 0 && v != 1)
            st = ne_fail(NE_OUT_OF_RANGE, "%s: %s is neither 0 nor 1", row->name, value);
        else if (row->type == NE_OPT_INT && (below_range(row, v) || above_range(row, v) || fabs(v) > 0x1p53))
            st = outside(row, v);
        else *(int64_t *)field_of(place) = (int64_t)v;
    } else {
        st = ne_fail(NE_INVALID_ARGUMENT, "%s: %s is a number, and it takes a word", row->name, value);
    }
    return st;
}

static ne_status store_choice(const option_place *place, const char *text)
{
    const char *word = place->row->choices;
    for (int64_t index = 0; *word; index++) {
        const size_t length = strcspn(word, "|");
        if (strlen(text) == length && strncmp(text, word, length) == 0) {
            *(int64_t *)field_of(place) = index;
            return NE_OK;
        }
        word += length + (word[length] == '|');
    }
    return ne_fail(NE_OUT_OF_RANGE, "%s: '%s' is not one of %s", place->row->name, text, place->row->choices);
}

static ne_status store_text(const option_place *place, const char *text)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    const ne_option *row = place->row;
    double           v;

    if (!text) return ne_fail(NE_INVALID_ARGUMENT, "%s: the value is a null pointer", row->name);
    if (row->flags & NE_OPT_AUTO && strcmp(text, "auto") == 0) {
        *(double *)field_of(place) = NAN;
        return NE_OK;
    }
    if (row->flags & NE_OPT_NONE && (strcmp(text, "none") == 0 || strcmp(text, "None") == 0)) {
        *(int64_t *)field_of(place) = INT64_MIN;
        return NE_OK;
    }
    switch (row->type) {
    case NE_OPT_REAL:
    case NE_OPT_INT:
        if (!number_parse(text, &v)) return ne_fail(NE_INVALID_ARGUMENT, "%s: '%s' is not a number", row->name, text);
        return store_number(place, v);
    case NE_OPT_BOOL:
        for (int i = 0; i < 4; i++)
            if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
                *(int64_t *)field_of(place) = strcasecmp(text, yes[i]) == 0;
                return NE_OK;
            }
        return ne_fail(NE_INVALID_ARGUMENT, "%s: '%s' is neither true nor false", row->name, text);
    case NE_OPT_CHOICE:
        return store_choice(place, text);
    case NE_OPT_NAME:
        if (!*text || strlen(text) >= NE_NAME_SIZE)
            return ne_fail(NE_OUT_OF_RANGE, "%s: a name has 1 to %d characters", row->name, NE_NAME_SIZE - 1);
        memset(field_of(place), 0, NE_NAME_SIZE);
        memcpy(field_of(place), text, strlen(text));
        return NE_OK;
    default:
        return ne_fail(NE_INTERNAL, "%s: option type %d", row->name, (int)row->type);
    }
}

/* --- Defaults ---------------------------------------------------------------------------------------------------- */

static const char *default_text(const option_set *set, const ne_option *row, int reference)
{
    const char *text = reference && row->reference ? row->reference : row->preset;
    if (set->part.name && strcmp(set->part.name, row->name) == 0)
        text = reference && set->part.reference ? set->part.reference : set->part.preset;
    for (size_t i = 0; i < set->preset_count; i++)
        if (strcmp(set->presets[i].name, row->name) == 0) {
            const ne_preset *p = &set->presets[i];
            if (reference && p->reference) text = p->reference;
            else if (!reference || !row->reference) text = p->preset;
        }
    return text;
}

ne_status options_reset(option_set *set)
{
    ne_status st = NE_OK;
    for (size_t b = 0; b < set->count && st == NE_OK; b++)
        for (size_t i = 0; i < set->blocks[b].count && st == NE_OK; i++) {
            const option_place place = {row_of(&set->blocks[b], i), &set->blocks[b], i};
            if (!place.block->given[i]) st = store_text(&place, default_text(set, place.row, set->reference));
        }
    return st;
}

/* A row hidden by an earlier one of the same name follows it, so that whoever owns the hidden field sees the value. */
static ne_status copy_to_hidden(option_set *set, const option_place *from)
{
    ne_status st = NE_OK;
    char      text[128];
    for (size_t b = 0; b < set->count && st == NE_OK; b++)
        for (size_t i = 0; i < set->blocks[b].count && st == NE_OK; i++) {
            const option_place place = {row_of(&set->blocks[b], i), &set->blocks[b], i};
            if (place.block != from->block && strcmp(place.row->name, from->row->name) == 0) {
                st = options_get(set, from->row->name, text, sizeof text);
                if (st == NE_OK) st = store_text(&place, text);
                if (st == NE_OK) place.block->given[i] = 1;
            }
        }
    return st;
}

static ne_status finish_set(option_set *set, const option_place *place)
{
    place->block->given[place->index] = 1;
    ne_status st                      = copy_to_hidden(set, place);
    if (st == NE_OK && strcmp(place->row->name, "reference") == 0) {
        set->reference = *(const int64_t *)field_of(place) != 0;
        st             = options_reset(set);
    }
    return st;
}

ne_status options_set(option_set *set, const char *name, const char *text)
{
    const option_list *list  = option_list_find(set, name);
    option_place       place = {0};
    ne_status          st;
    if (list) return option_list_set(set, list, text);
    st = find_or_suggest(set, name, &place);
    if (st == NE_OK) st = store_text(&place, text);
    if (st == NE_OK) st = finish_set(set, &place);
    return st;
}

ne_status options_set_real(option_set *set, const char *name, double value)
{
    option_place place = {0};
    ne_status    st    = find_or_suggest(set, name, &place);
    if (st == NE_OK) st = store_number(&place, value);
    if (st == NE_OK) st = finish_set(set, &place);
    return st;
}

ne_status options_set_int(option_set *set, const char *name, int64_t value)
{
    option_place place = {0};
    ne_status    st    = find_or_suggest(set, name, &place);
    if (st == NE_OK && (value > INT64_C(1) << 53 || value < -(INT64_C(1) << 53)))
        st = ne_fail(NE_OUT_OF_RANGE, "%s: %lld is beyond 2^53", place.row->name, (long long)value);
    if (st == NE_OK) st = store_number(&place, (double)value);
    if (st == NE_OK) st = finish_set(set, &place);
    return st;
}

/* --- Reading ----------------------------------------------------------------------------------------------------- */

static void value_print(const option_place *place, char *text, size_t size)
{
    const ne_option *row   = place->row;
    const void      *field = field_of(place);
    const char      *word  = row->choices;

    switch (row->type) {
    case NE_OPT_REAL:
        if (isnan(*(const double *)field)) snprintf(text, size, "auto");
        else number_print(*(const double *)field, text, size);
        break;
    case NE_OPT_INT:
        if (*(const int64_t *)field == INT64_MIN) snprintf(text, size, "none");
        else snprintf(text, size, "%lld", (long long)*(const int64_t *)field);
        break;
    case NE_OPT_BOOL:
        snprintf(text, size, "%s", *(const int64_t *)field ? "true" : "false");
        break;
    case NE_OPT_CHOICE:
        for (int64_t i = *(const int64_t *)field; i > 0; i--) word += strcspn(word, "|") + 1;
        snprintf(text, size, "%.*s", (int)strcspn(word, "|"), word);
        break;
    default:
        snprintf(text, size, "%s", (const char *)field);
    }
}

ne_status options_get(const option_set *set, const char *name, char *text, size_t size)
{
    const option_list *list  = option_list_find(set, name);
    option_place       place = {0};
    ne_status          st;
    if (list && text && size) return option_list_get(set, list, text, size);
    st = find_or_suggest(set, name, &place);
    if (st == NE_OK && (!text || !size)) st = ne_fail(NE_INVALID_ARGUMENT, "%s: there is no room for the text", name);
    if (st == NE_OK) value_print(&place, text, size);
    return st;
}

ne_status options_get_real(const option_set *set, const char *name, double *value)
{
    option_place place = {0};
    ne_status    st    = find_or_suggest(set, name, &place);
    if (st == NE_OK && place.row->type == NE_OPT_REAL) *value = *(const double *)field_of(&place);
    else if (st == NE_OK && (place.row->type == NE_OPT_INT || place.row->type == NE_OPT_BOOL))
        *value = (double)*(const int64_t *)field_of(&place);
    else if (st == NE_OK) st = ne_fail(NE_INVALID_ARGUMENT, "%s: is a word, not a number", name);
    return st;
}

ne_status options_get_int(const option_set *set, const char *name, int64_t *value)
{
    option_place place = {0};
    ne_status    st    = find_or_suggest(set, name, &place);
    if (st == NE_OK && (place.row->type == NE_OPT_INT || place.row->type == NE_OPT_BOOL))
        *value = *(const int64_t *)field_of(&place);
    else if (st == NE_OK) st = ne_fail(NE_INVALID_ARGUMENT, "%s: is not a whole number", name);
    return st;
}

int options_given(const option_set *set, const char *name)
{
    option_place place = {0};
    return find(set, name, &place) && place.block->given[place.index];
}

int options_has(const option_set *set, const char *name)
{
    option_place place = {0};
    return find(set, name, &place);
}

static int visible_at(const option_set *set, size_t index, option_place *place)
{
    for (size_t b = 0; b < set->count; b++)
        for (size_t i = 0; i < set->blocks[b].count; i++) {
            option_place first = {0};
            find(set, row_of(&set->blocks[b], i)->name, &first);
            if (first.block == &set->blocks[b] && first.index == i && index-- == 0) {
                *place = first;
                return 1;
            }
        }
    return 0;
}

size_t options_count(const option_set *set)
{
    option_place place = {0};
    size_t       count = 0;
    while (visible_at(set, count, &place)) count++;
    return count;
}

ne_status options_info(const option_set *set, size_t index, const char *field, char *text, size_t size)
{
    static const char *const types[] = {"", "real", "int", "bool", "choice", "name"};
    option_place             place   = {0};
    const char              *answer  = "";

    if (!visible_at(set, index, &place))
        return ne_fail(NE_OUT_OF_RANGE, "option index: %zu is not below the count, %zu", index, options_count(set));
    if (!field || !text || !size) return ne_fail(NE_INVALID_ARGUMENT, "option info: a null pointer or no room");
    if (strcmp(field, "value") == 0) {
        value_print(&place, text, size);
    } else if (strcmp(field, "range") == 0) {
        range_print(place.row, text, size);
    } else {
        if (strcmp(field, "name") == 0) answer = place.row->name;
        else if (strcmp(field, "type") == 0) answer = types[place.row->type];
        else if (strcmp(field, "default") == 0) answer = default_text(set, place.row, 0);
        else if (strcmp(field, "reference") == 0) answer = default_text(set, place.row, 1);
        else if (strcmp(field, "unit") == 0) answer = place.row->unit ? place.row->unit : "";
        else if (strcmp(field, "help") == 0) answer = place.row->help;
        else if (strcmp(field, "owner") == 0) answer = place.block->owner;
        else return ne_fail(NE_UNKNOWN_NAME, "option info: unknown field '%s'", field);
        snprintf(text, size, "%s", answer);
    }
    return NE_OK;
}

/* --- Checks ------------------------------------------------------------------------------------------------------ */

ne_status options_check_n(const option_set *set, size_t n)
{
    ne_status    st    = NE_OK;
    option_place place = {0};
    char         value[32], range[96];
    for (size_t i = 0; st == NE_OK && visible_at(set, i, &place); i++) {
        double v = 0;
        if (!(place.row->flags & NE_OPT_MAX_FROM_N)) continue;
        options_get_real(set, place.row->name, &v);
        if (v > (double)n + place.row->max) {
            number_print(v, value, sizeof value);
            range_print(place.row, range, sizeof range);
            st = ne_fail(NE_OUT_OF_RANGE, "%s: %s is outside %s with n = %zu", place.row->name, value, range, n);
        }
    }
    return st;
}

ne_status options_check_table(const char *owner, const ne_option *rows, size_t count, size_t row_size)
{
    ne_status st = NE_OK;
    if (count && (!rows || row_size < sizeof(ne_option)))
        return ne_fail(NE_INVALID_ARGUMENT, "%s: an option row has %zu bytes, not %zu", owner, row_size,
                       sizeof(ne_option));
    for (size_t i = 0; i < count && st == NE_OK; i++) {
        union {
            double  real;
            int64_t whole;
            char    name[NE_NAME_SIZE];
        } scratch;
        const ne_option   *row   = (const ne_option *)((const char *)rows + i * row_size);
        ne_option          moved = *row;
        const option_block block = {owner, &moved, 1, sizeof moved, &scratch, NULL};
        const option_place place = {&moved, &block, 0};
        moved.offset             = 0;
        if (!row->name || !*row->name) st = ne_fail(NE_INVALID_ARGUMENT, "%s: option %zu has no name", owner, i);
        else if (!row->help || !*row->help)
            st = ne_fail(NE_INVALID_ARGUMENT, "%s: option '%s' has no line of help", owner, row->name);
        else if (row->type < NE_OPT_REAL || row->type > NE_OPT_NAME || (row->type == NE_OPT_CHOICE && !row->choices))
            st = ne_fail(NE_INVALID_ARGUMENT, "%s: option '%s' has no type or no choices", owner, row->name);
        else if (!row->preset || store_text(&place, row->preset) != NE_OK ||
                 (row->reference && store_text(&place, row->reference) != NE_OK))
            st = ne_fail(NE_INVALID_ARGUMENT, "%s: the default of option '%s' is outside its range", owner, row->name);
    }
    return st;
}

ne_status options_add(const ne_allocator *mem, option_set *set, const char *owner, const ne_option *rows, size_t count,
                      size_t row_size, void *params)
{
    option_block *block = &set->blocks[set->count];
    if (set->count == OPTION_BLOCKS) return ne_fail(NE_INTERNAL, "%s: too many option tables", owner);
    *block = (option_block){owner, rows, count, row_size, params, memory_zero(mem, count + 1, 1)};
    if (!block->given) return NE_OUT_OF_MEMORY;
    set->count++;
    return NE_OK;
}

ne_status options_replace(const ne_allocator *mem, option_set *set, size_t at, const option_block *by)
{
    unsigned char *given = memory_zero(mem, by->count + 1, 1);
    if (!given) return NE_OUT_OF_MEMORY;
    memory_free(mem, set->blocks[at].given);
    set->blocks[at]       = *by;
    set->blocks[at].given = given;
    return options_reset(set);
}

void options_clear(const ne_allocator *mem, option_set *set)
{
    for (size_t b = 0; b < set->count; b++) memory_free(mem, set->blocks[b].given);
    *set = (option_set){0};
}
