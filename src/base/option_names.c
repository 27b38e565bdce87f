/* base/option_names.c: one name for several options, as optimizer_kwargs = "momentum=0.9,nesterov=true". */
#include "base/options.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    NAME_SIZE  = 64,
    VALUE_SIZE = 64
};

/* One "member=value" of a list, split. */
typedef struct list_entry {
    char name[NAME_SIZE], value[VALUE_SIZE]; /* name with the list's prefix */
} list_entry;

const option_list *option_list_find(const option_set *set, const char *name)
{
    for (size_t i = 0; name && set->names && i < set->names->list_count; i++)
        if (strcmp(set->names->lists[i].name, name) == 0) return &set->names->lists[i];
    return NULL;
}

/* The member of that name, in the list's own spelling (T_max is t_max), or NULL. */
static const char *member_of(const option_list *list, const char *name, size_t length)
{
    const char *at = list->members, *found = NULL;
    while (*at && !found) {
        const size_t word = strcspn(at, ",");
        if (word == length && strncasecmp(at, name, length) == 0) found = at;
        at += word + (at[word] == ',');
    }
    return found;
}

/* The text between at and end, without blanks around it. */
static void trim(const char **at, const char **end)
{
    while (*at < *end && **at == ' ') (*at)++;
    while (*at < *end && (*end)[-1] == ' ') (*end)--;
}

/* The entry at the start of text; *next is what follows its comma. */
static ne_status read_entry(const option_list *list, const char *text, list_entry *entry, const char **next)
{
    const size_t whole = strcspn(text, ",");
    const char  *from = text, *end = text + whole, *equals = memchr(text, '=', whole);
    const char  *value, *value_end = end, *member;

    *next = text + whole + (text[whole] == ',');
    if (!equals)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: '%.*s' is not of the form name=value", list->name, (int)whole, text);
    value = equals + 1;
    end   = equals;
    trim(&from, &end);
    trim(&value, &value_end);
    member = member_of(list, from, (size_t)(end - from));
    if (!member)
        return ne_fail(NE_UNKNOWN_NAME, "%s: '%.*s' is not one of %s", list->name, (int)(end - from), from,
                       list->members);
    if (value_end - value >= VALUE_SIZE)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: the value of '%.*s' is too long", list->name, (int)(end - from), from);
    snprintf(entry->name, sizeof entry->name, "%s%.*s", list->prefix, (int)(end - from), member);
    snprintf(entry->value, sizeof entry->value, "%.*s", (int)(value_end - value), value);
    return NE_OK;
}

static ne_status set_entries(option_set *set, const option_list *list, const char *text, int check_only)
{
    ne_status  st = NE_OK;
    list_entry entry;
    while (*text && st == NE_OK) {
        st = read_entry(list, text, &entry, &text);
        if (st == NE_OK && !check_only) st = options_set(set, entry.name, entry.value);
    }
    return st;
}

ne_status option_list_set(option_set *set, const option_list *list, const char *text)
{
    ne_status st;
    if (!text) return ne_fail(NE_INVALID_ARGUMENT, "%s: the value is a null pointer", list->name);
    if (strcmp(text, "auto") == 0) return set_entries(set, list, list->automatic, 0);
    if (strcmp(text, "none") == 0 || strcmp(text, "None") == 0) return set_entries(set, list, list->none, 0);
    st = set_entries(set, list, text, 1);
    if (st == NE_OK) st = set_entries(set, list, list->none, 0);
    if (st == NE_OK) st = set_entries(set, list, text, 0);
    return st;
}

ne_status option_list_get(const option_set *set, const option_list *list, char *text, size_t size)
{
    const char *at   = list->members;
    size_t      used = 0;
    ne_status   st   = NE_OK;
    text[0]          = 0;
    while (*at && st == NE_OK && used < size) {
        const size_t length = strcspn(at, ",");
        list_entry   entry;
        snprintf(entry.name, sizeof entry.name, "%s%.*s", list->prefix, (int)length, at);
        st = options_get(set, entry.name, entry.value, sizeof entry.value);
        if (st == NE_OK)
            used +=
                (size_t)snprintf(text + used, size - used, "%s%.*s=%s", used ? "," : "", (int)length, at, entry.value);
        at += length + (at[length] == ',');
    }
    return st;
}
