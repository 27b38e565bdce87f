/* base/number.c: numbers as text, and how near one name is to another. */
#include "base/options.h"

#include <ctype.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* strtod and printf use the decimal point of the user's locale: it is swapped for a point on the way in and out. */
static const char *locale_point(void)
{
    const struct lconv *l = localeconv();
    return l && l->decimal_point && *l->decimal_point ? l->decimal_point : ".";
}

int number_parse(const char *text, double *value)
{
    const char *point = locale_point();
    char        copy[64], *end = NULL;
    size_t      used = 0;

    while (isspace((unsigned char)*text)) text++;
    for (; *text && used + strlen(point) + 1 < sizeof copy; text++) {
        if (*text == '.' && strcmp(point, ".") != 0) {
            memcpy(copy + used, point, strlen(point));
            used += strlen(point);
        } else {
            copy[used++] = *text;
        }
    }
    copy[used]     = 0;
    const double v = strtod(copy, &end);
    while (isspace((unsigned char)*end)) end++;
    const int good = used > 0 && !*text && end != copy && !*end;
    if (good) *value = v;
    return good;
}

void number_print(double value, char *text, size_t size)
{
    const char *point = locale_point();
    double      back;
    char       *at;
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, value);
        at = strcmp(point, ".") == 0 ? NULL : strstr(text, point);
        if (at) {
            *at = '.';
            memmove(at + 1, at + strlen(point), strlen(at + strlen(point)) + 1);
        }
        if (!number_parse(text, &back) || back == value) break;
    }
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: insertions, deletions, substitutions, swaps of neighbors. Three rows of the table. */
int name_distance(const char *a, const char *b)
{
    enum {
        LONGEST = 64
    };
    int          rows[3][LONGEST + 1];
    int         *before = rows[0], *last = rows[1], *now = rows[2];
    const size_t la = strlen(a), lb = strlen(b);
    if (la > LONGEST || lb > LONGEST) return LONGEST;

    for (size_t j = 0; j <= lb; j++) last[j] = (int)j;
    for (size_t i = 1; i <= la; i++) {
        now[0] = (int)i;
        for (size_t j = 1; j <= lb; j++) {
            const int differs = tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]);
            now[j]            = smaller(last[j - 1] + differs, 1 + smaller(last[j], now[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = smaller(now[j], before[j - 2] + 1);
        }
        int *spare = before;
        before     = last;
        last       = now;
        now        = spare;
    }
    return last[lb];
}

int name_is_near(const char *tried, const char *name)
{
    const size_t shorter = strlen(tried);
    const int    most    = smaller(3, 1 + (int)(strlen(name) / 4));
    return (shorter >= 4 && strstr(name, tried) != NULL) || name_distance(tried, name) <= most;
}
