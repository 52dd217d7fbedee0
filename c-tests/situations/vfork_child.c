/* A vfork child: it runs on its parent's memory and stack, so what it leaves in the library stays there.
 * The parent runs the snippet after it. */
#include <sys/wait.h>
#include <unistd.h>

#include "snippet.h"

int main(void)
{
	const struct snippet *volatile snippet = chosen_snippet();
	if (snippet->kind == ALLOCATES)
		return 77;
	record_section("child", "");
	pid_t child = vfork();
	if (child == 0) {
		run_snippet(snippet);
		_exit(0);
	}
	int status = -1;
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		return 67;
	record_section("parent", "");
	run_snippet(snippet);
	return record_write() == 0 ? 0 : 65;
}
