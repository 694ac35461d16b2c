"""Every name that users of the original may have written down: in commands, files, playbooks and programs.

By heading of the page on compatibility. Names with blanks in them stand on lines of their own.
"""

from collections.abc import Mapping

PROMISES = 154
RULINGS = 24


def lines(text: str) -> frozenset[str]:
    return frozenset(filter(None, (line.strip() for line in text.splitlines())))


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NAMES: Mapping[str, frozenset[str]] = {
    "Commands and options": lines("""
        -h
        --help
        -v
        --verbose
        -s
        --storage
        -c
        --config
        --version
        python -m elasticluster
        start
        start -n
        start --name
        start --nodes
        start --no-setup
        start -p
        start --max-concurrent-requests
        stop
        stop --force
        stop --wait
        stop -y
        stop --yes
        pause
        pause --yes
        resume
        resize
        resize -a
        resize --add
        resize -r
        resize --remove
        resize -t
        resize --template
        resize --no-setup
        resize --yes
        remove-node
        remove-node --no-setup
        remove-node --yes
        list
        list-nodes
        list-nodes --json
        list-nodes --pretty-json
        list-nodes -u
        list-nodes --update
        list-templates
        setup
        setup -- ARGUMENTS
        ssh
        ssh -n
        ssh --node
        ssh -- ARGUMENTS
        sftp
        sftp -n
        sftp --node
        sftp -- ARGUMENTS
        export
        export --overwrite
        export --save-keys
        export -o
        export --output-file
        import
        import --rename
        gc3pie-config
        gc3pie-config -a
        gc3pie-config --append
        migrate
        migrate -s
        migrate --storage-path
        migrate -n
        migrate --dry-run
        elasticluster.sh
        bash_completion
    """),
    "Exit codes": words("0 1 2 66 75"),
    "Environment variables": words("""
        OS_AUTH_URL OS_USERNAME OS_PASSWORD OS_PROJECT_NAME OS_TENANT_NAME OS_USER_DOMAIN_NAME
        OS_PROJECT_DOMAIN_NAME OS_REGION_NAME OS_CACERT OS_IDENTITY_API_VERSION OS_NETWORK_API_VERSION
        EC2_ACCESS_KEY EC2_SECRET_KEY
        AZURE_SUBSCRIPTION_ID AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_CLIENT_SECRET
        ONE_URL ONE_USERNAME ONE_PASSWORD ONE_AUTH
        GOOGLE_APPLICATION_CREDENTIALS ANSIBLE_* BOTO_USE_ENDPOINT_HEURISTICS
    """),
    "Syntax of the configuration": lines("""
        INI
        config.d/*.conf
        [cloud/N]
        [login/N]
        [setup/N]
        [cluster/N]
        [cluster/N/KIND]
        [storage]
        [DEFAULT]
        %(name)s
        %%
        $VAR
        ${VAR}
        elasticluster_playbooks
        ansible_pb_dir
        ~
        yes
        no
        duplicate sections and keys
        continuation lines
        unknown keys
        invalid sections
    """),
    "Keys of [cloud/NAME]": words("provider"),
    "Keys of azure": words("""
        subscription_id tenant_id client_id secret location vm_deployment_template net_deployment_template
        certificate wait_timeout boot_disk_size storage_account_type
    """),
    "Keys of ec2_boto": words("""
        ec2_url ec2_region ec2_access_key ec2_secret_key vpc request_floating_ip auto_ip_assignment price
        timeout instance_profile network_ids boot_disk_size boot_disk_type boot_disk_device boot_disk_iops
        placement_group
    """),
    "Keys of google": words("""
        gce_project_id gce_client_id gce_client_secret noauth_local_webserver network zone boot_disk_size
        boot_disk_type accelerator_count accelerator_type min_cpu_platform tags scheduling
        allow_project_ssh_keys local_ssd_count local_ssd_interface
    """),
    "Keys of openstack": words("""
        auth_url username password project_name tenant_name user_domain_name project_domain_name region_name
        cacert
        availability_zone compute_api_version nova_api_version image_api_version network_api_version
        volume_api_version identity_api_version use_anti_affinity_groups build_timeout request_floating_ip
        floating_network_id network_ids boot_disk_size boot_disk_type max_wait
    """),
    "Keys of opennebula": words("endpoint username password network_ids"),
    "Keys of libcloud": words("driver_name auth_url network_ids image_user_password"),
    "Keys of [login/NAME]": words("""
        image_user image_sudo image_user_sudo image_userdata user_key_name user_key_private user_key_public
    """),
    "Keys of [setup/NAME]": words("""
        provider KIND_groups KIND_var_NAME global_var_NAME playbook_path ansible_command ansible_extra_args
        ansible_NAME ansible_ssh_pipelining ssh_pipelining ansible_forks ansible_timeout
        ansible_python_interpreter slow_but_safer safe_but_slower ansible_module_dir ansible_library
    """),
    "Keys of [cluster/NAME]": words("""
        cloud login setup setup_provider KIND_nodes KIND_nodes_min KIND_min_nodes KIND=N ssh_to frontend_class
        ssh_probe_timeout start_timeout ssh_proxy_command thread_pool_max_size KIND_var_NAME global_var_NAME
    """),
    "Keys of [cluster/NAME] and [cluster/NAME/KIND]": words("""
        flavor image_id image image_userdata image_user security_group node_name ssh_proxy_command
    """),
    "Keys of [storage]": words("storage_path storage_type"),
    "Groups": words("""
        slurm_master slurm_worker slurm_workers slurm_clients slurm_submit slurm_client
        gridengine_master gridengine_worker gridengine_clients gridengine_submit
        hadoop_master hadoop_worker hadoop_namenode hadoop_jobtracker hadoop_datanode hadoop_tasktracker
        condor_master condor_worker condor_workers kubernetes_master kubernetes_worker
        pbspro_master pbspro_worker pbspro_client torque_master torque_worker pbs_master pbs_clients
        maui_master ipython_controller ipython_engine jenkins mdce_master mdce_worker
        ceph_mon ceph_osd ceph_mds ceph_client glusterfs_server glusterfs_client gluster_data gluster_client
        pvfs2_meta pvfs2_data pvfs2_client azure_files nfs-server samba ntp_master ntp_server
        anaconda ansible cuda docker easybuild ganglia_master ganglia_monitor ganglia_collector ganglia_web
        hpc julia jupyterhub opencpu r rstudio
    """),
    "Variables": words("""
        upgrade_packages allow_reboot disable_selinux insecure_https_downloads multiuser_cluster proxy_url
        ssh_password_auth autofs_home_server default_input_policy default_forward_policy trusted_hosts
        ntp_server ntp_peers NIS_DOMAIN NIS_MASTER NIS_SLAVES NIS_CLIENTS NFS_EXPORTS NFS_MOUNTS nfs_clients
        slurm_version slurm_conf_file slurm_selecttype slurm_selecttypeparameters slurm_taskplugin
        slurm_proctracktype slurm_jobacctgathertype slurm_jobacctgatherfrequency slurm_fastschedule
        slurm_returntoservice slurm_maxarraysize slurm_maxjobcount slurm_allowedramspace
        slurm_allowedswapspace slurm_constrainramspace slurm_constrainswapspace slurm_defmempercpu
        SLURM_ACCOUNTING_DB_NAME SLURM_ACCOUNTING_DB_USER SLURM_ACCOUNTING_DB_PASS
        SGE_CELL bigtop_release bigtop_mirror spark_driver_memory_mb spark_driver_maxresultsize_mb
        spark_executor_memory_mb spark_python_worker_memory_mb HIVE_METASTORE_DB_PASSWORD
        kubernetes_version kubernetes_default_networking kubernetes_network kubernetes_service_network
        kubernetes_dashboard_deploy kubernetes_helm_deploy kubernetes_openebs_deploy pbspro_version
        ceph_release ceph_osd_pool_size ceph_osd_pg_num ceph_metadata_pg_num ceph_data_pg_num CEPH_MOUNTS
        ceph_fsid ceph_cluster_name glusterfs_version glusterfs_stripes glusterfs_replicas
        glusterfs_redundancy af_storage_account_name af_storage_account_key af_share_name af_mount_point
        smb_workgroup smb_shares smb_server_name anaconda_version anaconda_python_version anaconda_in_path
        anaconda_mirror anaconda_cleanup ANSIBLE_VERSION cuda_version docker_release_channel
        docker_compose_release docker_credential_helpers_release docker_group_members docker_prune_frequency
        EASYBUILD_VERSION EASYBUILD_PREFIX EASYBUILD_INSTALL EASYBUILD_OPTARCH lmod_* modules_tool
        julia_version julia_in_path julia_home MATLAB_EXE PYTHON3_EXE opencpu_version r_libraries
        r_cluster_support r_cran_mirror_url rstudio_version
    """),
    "Playbooks": lines("""
        before.yml
        after.yml
        resume.yml
        share/playbooks/main.yml
        elasticluster (extra variables)
        bootparam
        gpus
        drbd
    """),
    "Python API": lines("""
        elasticluster.log
        elasticluster.Cluster
        elasticluster.BotoCloudProvider
        elasticluster.OpenStackCloudProvider
        elasticluster.GoogleCloudProvider
        elasticluster.AnsibleSetupProvider
        elasticluster.ClusterRepository
        elasticluster.PickleRepository
        elasticluster.MemRepository
        elasticluster.AbstractClusterRepository
        elasticluster.MultiDiskRepository
        elasticluster.get_configurator
        cluster.Cluster.add_node
        cluster.Cluster.add_nodes
        cluster.Cluster.remove_node
        cluster.Cluster.start
        cluster.Cluster.stop
        cluster.Cluster.pause
        cluster.Cluster.resume
        cluster.Cluster.setup
        cluster.Cluster.update
        cluster.Cluster.update_config
        cluster.Cluster.get_all_nodes
        cluster.Cluster.get_node_by_name
        cluster.Cluster.get_ssh_to_node
        cluster.Cluster.get_frontend_node
        cluster.Cluster.to_dict
        cluster.Cluster.to_vars_dict
        cluster.Cluster.keys
        cluster.Cluster.name
        cluster.Cluster.template
        cluster.Cluster.nodes
        cluster.Cluster.paused_nodes
        cluster.Cluster.extra
        cluster.Cluster.ssh_to
        cluster.Cluster.repository
        cluster.Cluster.storage_file
        cluster.Cluster.known_hosts_file
        cluster.Cluster.cloud_provider
        cluster.Cluster.polling_interval
        cluster.Cluster.startup_timeout
        cluster.Cluster.start_timeout
        cluster.Node
        cluster.Node.instance_id
        cluster.Node.preferred_ip
        cluster.Node.ips
        cluster.Node.extra
        cluster.Node.connection_timeout
        cluster.Node.start
        cluster.Node.stop
        cluster.Node.pause
        cluster.Node.is_alive
        cluster.Node.connect
        cluster.Node.connection_ip
        cluster.Node.update_ips
        cluster.Node.pprint
        cluster.Node.to_dict
        cluster.Node.to_vars_dict
        cluster.Node.keys
        cluster.NodeNamingPolicy
        cluster.NodeNamingPolicy.new
        cluster.NodeNamingPolicy.use
        cluster.NodeNamingPolicy.free
        cluster.NodeNamingPolicy.format
        cluster.NodeNamingPolicy.parse
        conf.make_creator
        conf.load_config_files
        conf.Creator
        conf.Creator.cluster_conf
        conf.Creator.load_cluster
        conf.Creator.create_cluster
        conf.Creator.create_cloud_provider
        conf.Creator.create_setup_provider
        conf.Creator.create_repository
        conf.Creator.DEFAULT_STORAGE_PATH
        conf.Creator.DEFAULT_STORAGE_TYPE
        conf.ConfigReader
        conf.ConfigReader.read_config
        conf.ConfigValidator
        conf.ConfigValidator.validate
        conf.Configurator
        conf.Configurator.fromConfig
        providers.AbstractCloudProvider
        providers.AbstractCloudProvider.to_vars_dict
        providers.AbstractCloudProvider.start_instance
        providers.AbstractCloudProvider.stop_instance
        providers.AbstractCloudProvider.pause_instance
        providers.AbstractCloudProvider.resume_instance
        providers.AbstractCloudProvider.get_ips
        providers.AbstractCloudProvider.is_instance_running
        providers.AbstractSetupProvider
        providers.AbstractSetupProvider.HUMAN_READABLE_NAME
        providers.AbstractSetupProvider.setup_cluster
        providers.AbstractSetupProvider.cleanup
        providers.ansible_provider.AnsibleSetupProvider
        providers.ansible_provider.AnsibleSetupProvider.groups
        providers.ansible_provider.AnsibleSetupProvider.resume_cluster
        providers.ansible_provider.AnsibleSetupProvider.environment
        providers.ec2_boto.BotoCloudProvider
        providers.openstack.OpenStackCloudProvider
        providers.gce.GoogleCloudProvider
        providers.gce.GoogleCloudProvider.list_instances
        providers.azure_provider.AzureCloudProvider
        providers.opennebula.OpenNebulaCloudProvider
        providers.libcloud_provider.LibCloudProvider
        repository.AbstractClusterRepository
        repository.AbstractClusterRepository.save_or_update
        repository.AbstractClusterRepository.get
        repository.AbstractClusterRepository.get_all
        repository.AbstractClusterRepository.delete
        repository.MemRepository
        repository.DiskRepository
        repository.PickleRepository
        repository.JsonRepository
        repository.YamlRepository
        repository.MultiDiskRepository
        repository.ClusterRepository
        repository.migrate_cluster
        exceptions.ConfigurationError
        exceptions.UnsupportedError
        exceptions.CredentialsError
        exceptions.VpcError
        exceptions.SecurityGroupError
        exceptions.SubnetError
        exceptions.KeypairError
        exceptions.InstanceError
        exceptions.InstanceNotFoundError
        exceptions.FlavorError
        exceptions.ImageError
        exceptions.TimeoutError
        exceptions.ClusterNotFound
        exceptions.ClusterError
        exceptions.ClusterSizeError
        exceptions.NodeNotFound
        exceptions.CloudProviderError
        exceptions.SetupProviderError
        exceptions.AnsibleError
        helpers.Singleton
        main.main
        module
        gc3_config
        subcommands.AbstractCommand
        subcommands.AbstractCommand.setup
        subcommands.AbstractCommand.pre_run
        subcommands.AbstractCommand.execute
        subcommands.ListClusters
        subcommands.ListNodes
        subcommands.ListTemplates
        subcommands.ResizeCluster
        subcommands.SetupCluster
        subcommands.SftpFrontend
        subcommands.SshFrontend
        subcommands.Start
        subcommands.Stop
        utils
    """),
    "Files": lines("""
        <cluster>.yaml
        <cluster>.json
        <cluster>.pickle
        <cluster>.known_hosts
        <cluster>.inventory
        <client_id>.oauth.dat
        <key_name>.pem
        <cluster>/<kind>/<node>/
        <cluster>.zip
    """),
    "Behaviours": lines("""
        node names
        idempotent start
        checkpoints
        start errors
        start_timeout
        minimum of nodes
        SIGINT
        timeouts
        preferred_ip
        SSH authentication
        ssh_to
        key pair
        security groups
        floating IPs
        anti-affinity
        boot volumes
        Azure layout
        GCE details
        stop
        pause and resume
        confirmations
        progress output
        secrets in logs
        credentials in playbooks
        offline use
        installation
        inventory
        extra variables
        call of Ansible
        set-up of all nodes
        known hosts
        operating systems
    """),
}
"""By heading of the page: names that its rows have to account for."""
