/* base/status.c: the error text of each thread. */
#include "ne.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char error_text[512];

const char *ne_last_error(void)
{
    return error_text;
}

ne_status ne_fail(ne_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error_text, sizeof error_text, format, arguments);
    va_end(arguments);
    return status;
}

const char *ne_status_name(ne_status status)
{
    static const char *const names[] = {
        "NE_OK",           "NE_INVALID_ARGUMENT", "NE_UNKNOWN_NAME", "NE_OUT_OF_RANGE", "NE_OUT_OF_MEMORY",
        "NE_CANCELLED",    "NE_NOT_CONVERGED",    "NE_NOT_FITTED",   "NE_UNSUPPORTED",  "NE_IO",
        "NE_DEVICE_ERROR", "NE_COMM_ERROR",       "NE_INTERNAL",
    };
    const size_t place = (size_t)status;
    return place < sizeof names / sizeof *names ? names[place] : "unknown status";
}

#define TEXT_OF(x)       #x
#define VERSION(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)

const char *ne_version(void)
{
    return VERSION(NE_VERSION_MAJOR, NE_VERSION_MINOR, NE_VERSION_PATCH);
}
