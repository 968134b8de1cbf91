/* The least that a host of components could do: open the files that it is given, and exit. */
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char **files) {
    for (int i = 1; i < count; i++) {
        if (!dlopen(files[i], RTLD_NOW | RTLD_LOCAL)) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
    }
    return 0;
}
