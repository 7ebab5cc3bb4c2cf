export interface MarkedProcess {
  readonly pid: number;
  readonly command: string;
}

export declare function findMarkedProcesses(variable: string, value: string): Promise<MarkedProcess[]>;
export declare function killProcesses(processes: readonly MarkedProcess[]): void;
