import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runProgram } from '../../helpers/run-program.ts';

const module = fileURLToPath(new URL('../../../src/cli/standard-stream.ts', import.meta.url));
const tsx = import.meta.resolve('tsx');

/** Runs a program that writes, in a pipeline of the shell. */
async function run(program: string, pipeline: (command: string) => string) {
  const text = `import { standardError, standardOutput } from ${JSON.stringify(module)}; ${program}`;
  const env = { ...process.env, PROGRAM: text };
  const command = `"${process.execPath}" --import ${tsx} --input-type=module -e "$PROGRAM"`;
  return await runProgram(['bash', '-o', 'pipefail', '-c', pipeline(command)], { env });
}

test('text goes out in its order, whether a stream was made in between or not', async () => {
  const program = `standardOutput.write('one '); standardOutput.stream.write('two '); standardOutput.write('three');`;
  expect(await run(program, (command) => command)).toMatchObject({ exitCode: 0, stdout: 'one two three', stderr: '' });
});

test('a reader who went away had all it wanted', async () => {
  const program = `for (let count = 0; count < 100_000; count++) standardOutput.write('a line of text\\n');`;
  expect(await run(program, (command) => `${command} | head -n 1`)).toMatchObject({
    exitCode: 0,
    stdout: 'a line of text\n',
    stderr: '',
  });
});

test('a device that is full ends the program with one line', async () => {
  const write = "standardOutput.write('text')";
  for (const program of [write, `standardOutput.stream; ${write}`]) {
    expect(await run(program, (command) => `${command} > /dev/full`)).toMatchObject({
      exitCode: 1,
      stderr: 'ERROR: cannot write to standard output: ENOSPC\n',
    });
  }
});

test('a full pipe gets the rest later', async () => {
  // Another program that shares the pipe may have told it not to wait.
  const unwaiting = "perl -MFcntl -e 'fcntl(STDOUT, F_SETFL, fcntl(STDOUT, F_GETFL, 0) | O_NONBLOCK); exec @ARGV'";
  const program = `standardOutput.write('x'.repeat(1_000_000)); standardOutput.write('end');`;
  const { exitCode, stdout, stderr } = await run(
    program,
    (command) => `${unwaiting} ${command} | (sleep 0.5; tail -c 5; wc -c)`,
  );
  expect({ exitCode, stdout: stdout.trim(), stderr }).toEqual({ exitCode: 0, stdout: 'xxend0', stderr: '' });
});

test('a file, a pipe and a closed descriptor are no terminals', async () => {
  const program = 'process.exitCode = standardOutput.isTerminal ? 1 : 0;';
  for (const place of ['> /dev/null', '| cat', '>&-']) {
    expect(await run(program, (command) => `${command} ${place}`)).toMatchObject({ exitCode: 0, stderr: '' });
  }
});

test('a terminal is one', async () => {
  const program = "standardError.write(standardOutput.isTerminal ? 'a terminal' : 'none')";
  const { stdout } = await run(program, (command) => `script -qec '${command.replaceAll("'", "'\\''")}' /dev/null`);
  expect(stdout).toContain('a terminal');
});
