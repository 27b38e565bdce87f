/* api/api.h: what the public functions share. Argument checks and error text; no arithmetic. */
#ifndef NE_API_API_H
#define NE_API_API_H

#include "base/context.h"
#include "ne.h"

/* The built-in types into the registry, once in a process, before anything is looked up or added. */
ne_status api_register_builtin(void);

/* "name: a null pointer" */
ne_status api_null(const char *what);

#endif
