/* backend/plugin.h: shared objects that are loaded when they are first asked for. */
#ifndef NE_BACKEND_PLUGIN_H
#define NE_BACKEND_PLUGIN_H

#include <stddef.h>

/* Opens the file from the folder that NE_PLUGIN_PATH names; without it from the folder of the library that holds
 * `inside`, else where the loader looks. It stays open for the life of the process. NULL on failure: plugin_error() says
 * why. tried receives the last path. */
void       *plugin_open(const char *file, const void *inside, char *tried, size_t size);
void       *plugin_symbol(void *library, const char *name); /* NULL: there is none */
const char *plugin_error(void);

#endif
