export function licensesOf(modules: Iterable<string>): string;
