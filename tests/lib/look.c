/* look FILE... - writes what is in the files, or why it cannot: for images that have nothing else in them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "r");
		char text[4096];
		size_t n = f ? fread(text, 1, sizeof(text), f) : 0;

		if (!f || ferror(f)) {
			printf("%s: %s\n", argv[i], strerror(errno));
			failed = 1;
		}
		fwrite(text, 1, n, stdout);
	}
	return failed;
}
