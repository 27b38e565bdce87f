/* backend/plugin.c: see plugin.h. */
#include "backend/plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HOW = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE
};

void *plugin_open(const char *file, const void *inside, char *tried, size_t size)
{
    const char *folder = getenv("NE_PLUGIN_PATH");
    void       *opened = NULL;
    Dl_info     self;
    if (folder && *folder) {
        snprintf(tried, size, "%s/%s", folder, file);
        return dlopen(tried, HOW);
    }
    if (dladdr(inside, &self) && self.dli_fname && strrchr(self.dli_fname, '/')) {
        snprintf(tried, size, "%.*s/%s", (int)(strrchr(self.dli_fname, '/') - self.dli_fname), self.dli_fname, file);
        opened = dlopen(tried, HOW);
    }
    if (!opened) {
        snprintf(tried, size, "%s", file);
        opened = dlopen(tried, HOW);
    }
    return opened;
}

void *plugin_symbol(void *library, const char *name)
{
    return dlsym(library, name);
}

const char *plugin_error(void)
{
    return dlerror();
}
