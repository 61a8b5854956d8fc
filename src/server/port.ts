/** Without --port: the first free one of these. */
export const defaultPort = 7411;
export const portsToTry = 20;
