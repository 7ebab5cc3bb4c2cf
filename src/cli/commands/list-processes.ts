import { declareCommand } from '../command.ts';

export const listProcessesCommand = declareCommand({
  name: 'list-processes',
  aliases: ['list-process'],
  summary: 'List the running work of a server',
  servers: 'one',
  examples: ['list-processes main'],
  async run({ application, servers: [server] }) {
    if (server === undefined) return;
    const { readRunningTasks } = await import('../../operations/server/running-tasks.ts');
    const { name } = server.config;
    const tasks = await readRunningTasks(server);
    const lines =
      tasks.length === 0
        ? [`No active subprocesses found for server ${name}.`]
        : [`Active subprocesses for server ${name}:`, ...tasks.map((task) => `${String(task.pid)} ${task.name}`)];
    application.writer.print({ lines, json: { [name]: tasks.map((task) => ({ name: task.name, pid: task.pid })) } });
  },
});
