/** Which deployment stands for the embedded ones. @module */

/** The variable that names a file in place of the embedded deployments. */
export const DEPLOYMENT_VARIABLE = "SKYDEPLOY";
